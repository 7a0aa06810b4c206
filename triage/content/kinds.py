"""The kinds of content that the project tells apart, and which extensions belong to them.

One row is one kind: key, media type, name for people, short upper-case token (what YARA rules get as ``filetype``),
family, group, extensions. Kinds of one *family* share a container (every package is a ZIP), so an extension of one
fits the bytes of another. Kinds of one *group* are near relatives (a PNG named ``.jpg``): there nothing is said.
"""

from __future__ import annotations

from triage.model.content import ContentType

# A guess too weak for a verdict, and records that bear the extension of what they tell of.
_NO_VERDICT = frozenset({"text8", "recyclebin", "appledouble"})
_RELATED_GROUPS = frozenset({"picture", "media", "font", "text"})

_PREFIXES = {
    "@ooxml": "application/vnd.openxmlformats-officedocument",
    "@odf": "application/vnd.oasis.opendocument",
}

# key | media type | name | short | family | group | extensions
_ROWS = """
jpeg|image/jpeg|JPEG picture|JPG||picture|jpg jpeg jpe jfif thm
png|image/png|PNG picture|PNG||picture|png apng
gif|image/gif|GIF picture|GIF||picture|gif
webp|image/webp|WebP picture|WEBP||picture|webp
heic|image/heic|HEIF picture|HEIC||picture|heic heif hif
avif|image/avif|AVIF picture|AVIF||picture|avif
tiff|image/tiff|TIFF picture|TIFF||picture|tif tiff dng nef arw
cr2|image/x-canon-cr2|Canon raw picture|CR2||picture|cr2
bmp|image/bmp|Windows bitmap|BMP||picture|bmp dib
ico|image/vnd.microsoft.icon|Windows icon|ICO||picture|ico cur
psd|image/vnd.adobe.photoshop|Photoshop picture|PSD||picture|psd psb
jp2|image/jp2|JPEG 2000 picture|JP2||picture|jp2 jpf jpx j2k
jxl|image/jxl|JPEG XL picture|JXL||picture|jxl
exr|image/x-exr|OpenEXR picture|EXR||picture|exr
dds|image/vnd.ms-dds|DirectDraw surface|DDS||picture|dds
wmf|image/wmf|Windows metafile|WMF||picture|wmf
emf|image/emf|Enhanced metafile|EMF||picture|emf
xcf|image/x-xcf|GIMP picture|XCF||picture|xcf
svg|image/svg+xml|SVG picture|SVG||text|svg
djvu|image/vnd.djvu|DjVu document|DJVU||document|djvu djv
mp3|audio/mpeg|MP3 sound|MP3||media|mp3 mp2 mpga
aac|audio/aac|AAC sound|AAC||media|aac adts
ogg|audio/ogg|Ogg sound|OGG|ogg|media|ogg oga
opus|audio/opus|Opus sound|OPUS|ogg|media|opus
ogv|video/ogg|Ogg video|OGG|ogg|media|ogv ogx
flac|audio/flac|FLAC sound|FLAC||media|flac
amr|audio/amr|AMR voice recording|AMR||media|amr awb
silk|audio/silk|SILK voice recording|SILK||media|silk slk aud
midi|audio/midi|MIDI music|MIDI||media|mid midi
aiff|audio/aiff|AIFF sound|AIFF||media|aif aiff aifc
au|audio/basic|AU sound|AU||media|au snd
caf|audio/x-caf|Core Audio sound|CAF||media|caf
wav|audio/x-wav|WAV sound|WAV||media|wav
m4a|audio/mp4|MPEG-4 sound|M4A|isobmff|media|m4a m4b m4r
mp4|video/mp4|MPEG-4 video|MP4|isobmff|media|mp4 m4v mp4v
mov|video/quicktime|QuickTime video|MOV|isobmff|media|mov qt
3gp|video/3gpp|3GP video|3GP|isobmff|media|3gp 3gpp 3g2
avi|video/x-msvideo|AVI video|AVI||media|avi
mkv|video/x-matroska|Matroska video|MKV|ebml|media|mkv mka mks
webm|video/webm|WebM video|WEBM|ebml|media|webm
mpeg|video/mpeg|MPEG video|MPEG||media|mpg mpeg vob m1v m2v
mpegts|video/mp2t|MPEG transport stream|MTS||media|mts m2ts
flv|video/x-flv|Flash video|FLV||media|flv f4v
asf|video/x-ms-asf|Windows media|WMV||media|wmv wma asf
rm|application/vnd.rn-realmedia|RealMedia|RM||media|rm rmvb
dhav|video/x-dahua-dav|Dahua recorder video|DAV||media|dav
hikvision|video/x-hikvision|Hikvision recorder video|HIK||media|
swf|application/x-shockwave-flash|Flash program|SWF||media|swf
pdf|application/pdf|PDF document|PDF||document|pdf ai
rtf|application/rtf|RTF document|RTF||document|rtf
postscript|application/postscript|PostScript document|PS||text|ps eps
chm|application/vnd.ms-htmlhelp|compiled HTML help|CHM||document|chm
onenote|application/onenote|OneNote section|ONE||document|one
mobi|application/x-mobipocket-ebook|Mobipocket e-book|MOBI||document|mobi azw azw3 prc
hwp|application/x-hwp|Hangul document|HWP||document|hwp
wordperfect|application/vnd.wordperfect|WordPerfect document|WPD||document|wpd
ole|application/x-ole-storage|OLE2 compound file|OLE|ole|document|
doc|application/msword|Word 97-2003 document|DOC|ole|document|doc dot wps
xls|application/vnd.ms-excel|Excel 97-2003 workbook|XLS|ole|document|xls xlt xla
ppt|application/vnd.ms-powerpoint|PowerPoint 97-2003 presentation|PPT|ole|document|ppt pps pot
vsd|application/vnd.visio|Visio 97-2003 drawing|VSD|ole|document|vsd
pub|application/vnd.ms-publisher|Publisher document|PUB|ole|document|pub
msg|application/vnd.ms-outlook|Outlook message|MSG|ole|mail|msg oft
msi|application/x-msi|Windows installer package|MSI|ole|program|msi msp mst
thumbsdb|application/x-thumbs-db|Windows thumbnail database|THUMBSDB|ole|picture|
jumplist|application/x-jumplist|Windows jump list|JUMPLIST|ole|system|automaticdestinations-ms
officecrypt|application/x-ms-office-encrypted|encrypted Office document|OLE|ole|document|
zip|application/zip|ZIP archive|ZIP|zip|archive|zip zipx kmz xpi ipa cbz pages numbers key whl nupkg vsix sketch idml
ooxml|application/vnd.openxmlformats-package|Office Open XML package|ZIP|zip|document|
docx|@ooxml.wordprocessingml.document|Word document|DOCX|zip|document|docx docm dotx dotm
xlsx|@ooxml.spreadsheetml.sheet|Excel workbook|XLSX|zip|document|xlsx xlsm xltx xlsb
pptx|@ooxml.presentationml.presentation|PowerPoint presentation|PPTX|zip|document|pptx pptm ppsx potx
vsdx|application/vnd.ms-visio.drawing|Visio drawing|VSDX|zip|document|vsdx
xps|application/vnd.ms-xpsdocument|XPS document|XPS|zip|document|xps oxps
odt|@odf.text|OpenDocument text|ODT|zip|document|odt ott
ods|@odf.spreadsheet|OpenDocument spreadsheet|ODS|zip|document|ods ots
odp|@odf.presentation|OpenDocument presentation|ODP|zip|document|odp otp
odf|@odf|OpenDocument package|ODF|zip|document|odg odf odc odb
epub|application/epub+zip|EPUB e-book|EPUB|zip|document|epub
jar|application/java-archive|Java archive|JAR|zip|program|jar war ear
apk|application/vnd.android.package-archive|Android package|APK|zip|program|apk apks xapk
rar|application/vnd.rar|RAR archive|RAR||archive|rar cbr
7z|application/x-7z-compressed|7-Zip archive|7Z||archive|7z cb7
gzip|application/gzip|gzip file|GZIP||archive|gz tgz svgz emz wmz adz gzip
bzip2|application/x-bzip2|bzip2 file|BZ2||archive|bz2 tbz tbz2
xz|application/x-xz|xz file|XZ||archive|xz txz
lzma|application/x-lzma|LZMA file|LZMA||archive|lzma tlz
lzip|application/lzip|lzip file|LZ||archive|lz tlz
zstd|application/zstd|Zstandard file|ZST||archive|zst tzst
lz4|application/x-lz4|LZ4 file|LZ4||archive|lz4
lzop|application/x-lzop|lzop file|LZO||archive|lzo
compress|application/x-compress|compress file|Z||archive|z
tar|application/x-tar|tar archive|TAR||archive|tar gtar
cab|application/vnd.ms-cab-compressed|Windows cabinet|CAB||archive|cab
iscab|application/x-installshield|InstallShield cabinet|CAB||archive|
ar|application/x-archive|ar archive|AR||archive|a ar lib
deb|application/vnd.debian.binary-package|Debian package|DEB||archive|deb udeb
rpm|application/x-rpm|RPM package|RPM||archive|rpm
cpio|application/x-cpio|cpio archive|CPIO||archive|cpio
xar|application/x-xar|xar archive|XAR||archive|xar pkg
arj|application/x-arj|ARJ archive|ARJ||archive|arj
ace|application/x-ace-compressed|ACE archive|ACE||archive|ace
lha|application/x-lzh-compressed|LHA archive|LHA||archive|lzh lha
stuffit|application/x-stuffit|StuffIt archive|SIT||archive|sit sitx
warc|application/warc|web archive|WARC||archive|warc
crx|application/x-chrome-extension|Chrome extension|CRX||archive|crx
zlib|application/zlib|zlib stream|ZLIB||archive|
pe|application/vnd.microsoft.portable-executable|Windows program|EXE||program|exe dll sys scr ocx cpl drv efi mui
mz|application/x-dosexec|DOS program|EXE||program|exe com ovl
elf|application/x-elf|ELF program|ELF||program|so ko elf axf
macho|application/x-mach-binary|Mach-O program|MACHO||program|dylib bundle
dex|application/x-dex|Dalvik program|DEX||program|dex odex
vdex|application/x-vdex|Android verified program|VDEX||program|vdex
wasm|application/wasm|WebAssembly program|WASM||program|wasm
javaclass|application/java-vm|Java class|CLASS||program|class
lnk|application/x-ms-shortcut|Windows shortcut|LNK||system|lnk
registry|application/x-windows-registry|Windows registry hive|REG||system|
evtx|application/x-ms-evtx|Windows event log|EVTX||system|evtx
evt|application/x-ms-evt|Windows event log (old)|EVT||system|evt
prefetch|application/x-ms-prefetch|Windows prefetch|PF||system|pf
mam|application/x-ms-compressed-prefetch|Windows compressed prefetch|PF||system|pf
recyclebin|application/x-recycle-bin-index|Recycle Bin record|RECYCLE||system|
thumbcache|application/x-thumbcache|Windows thumbnail cache|THUMBCACHE||system|
hibernation|application/x-hibernation|Windows hibernation file|HIBR||system|
memorydump|application/x-dmp|Windows memory dump|MDMP||system|dmp mdmp
mft|application/x-ntfs-mft|NTFS file table|MFT||system|
bplist|application/x-bplist|binary property list|PLIST|plist|system|plist strings webloc nib
dsstore|application/x-ds-store|macOS folder settings|DSSTORE||system|
appledouble|application/x-appledouble|AppleDouble file|APPLEDOUBLE||system|
typedstream|application/x-typedstream|Apple typed stream|TYPEDSTREAM||system|
segb|application/x-segb|Apple SEGB records|SEGB||system|
androidbackup|application/x-android-backup|Android backup|AB||archive|ab
arsc|application/x-android-arsc|Android resources|ARSC||program|arsc
axml|application/x-android-binary-xml|Android binary XML|AXML||program|
abx|application/x-android-abx|Android binary XML settings|ABX||system|
androidboot|application/x-android-boot|Android boot image|BOOT||disk|
sqlite|application/vnd.sqlite3|SQLite database|SQLITE|sqlite|database|sqlite sqlite3 sqlitedb storedata
sqlitewal|application/x-sqlite-wal|SQLite write-ahead log|SQLITE|sqlite|database|
sqlitejournal|application/x-sqlite-journal|SQLite rollback journal|SQLITE|sqlite|database|
ese|application/x-ms-ese|ESE database|ESE||database|edb
access|application/x-msaccess|Access database|MDB||database|mdb accdb
bdb|application/x-berkeley-db|Berkeley DB|BDB||database|
lmdb|application/x-lmdb|LMDB database|LMDB||database|mdb
realm|application/x-realm|Realm database|REALM||database|realm
leveldb|application/x-leveldb-table|LevelDB table|LDB||database|ldb sst
mork|application/x-mork|Mork database|MORK||text|mab msf
dbx|application/x-outlook-express|Outlook Express mail store|DBX||mail|dbx
pst|application/vnd.ms-outlook-pst|Outlook mail store|PST||mail|pst ost pab
tnef|application/vnd.ms-tnef|TNEF attachment|TNEF||mail|
nk2|application/x-ms-nickfile|Outlook nicknames|NK2||mail|nk2
ewf|application/x-ewf|Expert Witness image|E01||disk|e01 s01 ex01
ewflogical|application/x-ewf-logical|Expert Witness logical image|L01||disk|l01 lx01
vmdk|application/x-vmdk|VMware disk|VMDK||disk|vmdk
qcow|application/x-qcow|QEMU disk|QCOW||disk|qcow qcow2
vhd|application/x-vhd|Virtual PC disk|VHD||disk|vhd
vhdx|application/x-vhdx|Hyper-V disk|VHDX||disk|vhdx avhdx
vdi|application/x-virtualbox-vdi|VirtualBox disk|VDI||disk|vdi
aff|application/x-aff|AFF image|AFF||disk|aff
ad1|application/x-ad1|AD1 logical image|AD1||disk|ad1
parallels|application/x-parallels-disk|Parallels disk|HDS||disk|hds hdd
iso|application/x-iso9660-image|ISO 9660 image|ISO||disk|iso
ntfs|application/x-ntfs-volume|NTFS volume|NTFS||disk|
fat|application/x-fat-volume|FAT volume|FAT||disk|
exfat|application/x-exfat-volume|exFAT volume|EXFAT||disk|
ext|application/x-ext-volume|ext2/3/4 volume|EXT||disk|
hfs|application/x-hfs-volume|HFS+ volume|HFS||disk|
apfs|application/x-apfs-container|APFS container|APFS||disk|
xfs|application/x-xfs-volume|XFS volume|XFS||disk|
squashfs|application/x-squashfs|SquashFS image|SQUASHFS||disk|snap sfs squashfs
mbr|application/x-partitioned-disk|disk with partition table|MBR||disk|
swap|application/x-linux-swap|Linux swap space|SWAP||disk|
kdbx|application/x-keepass|KeePass password safe|KDBX||crypto|kdbx kdb
luks|application/x-luks|LUKS encrypted volume|LUKS||crypto|
bitlocker|application/x-bitlocker|BitLocker encrypted volume|BITLOCKER||crypto|
dmg|application/x-apple-diskimage|Apple disk image|DMG||disk|dmg cdr
dmgcrypt|application/x-apple-encrypted-dmg|encrypted Apple disk image|DMG||crypto|dmg sparseimage
age|application/x-age|age encrypted file|AGE||crypto|age
openssl|application/x-openssl-salted|OpenSSL encrypted file|ENC||crypto|enc
axcrypt|application/x-axcrypt|AxCrypt encrypted file|AXX||crypto|axx
pgp|application/pgp-encrypted|PGP message|PGP||crypto|pgp gpg asc
pgpkey|application/pgp-keys|PGP key|PGP||text|pgp gpg asc
pem|application/x-pem-file|PEM key or certificate|PEM||text|pem crt cer key p7b
der|application/x-x509-der|DER structure|DER||system|der cer crt p7b p7s p7m pfx p12 cat
jks|application/x-java-keystore|Java key store|JKS||crypto|jks keystore
torrent|application/x-bittorrent|BitTorrent file|TORRENT||system|torrent
pcap|application/vnd.tcpdump.pcap|network capture|PCAP||system|pcap cap
pcapng|application/x-pcapng|network capture (pcapng)|PCAP||system|pcapng
gettext|application/x-gettext-translation|translation catalogue|MO||system|mo gmo
icc|application/vnd.iccprofile|colour profile|ICC||picture|icc icm
ttf|font/ttf|TrueType font|TTF||font|ttf ttc
otf|font/otf|OpenType font|OTF||font|otf
ttc|font/collection|font collection|TTC||font|ttc
woff|font/woff|WOFF font|WOFF||font|woff
woff2|font/woff2|WOFF2 font|WOFF||font|woff2
html|text/html|HTML page|HTML||text|html htm xhtml shtml mhtml mht php asp aspx hta
xml|application/xml|XML document|XML||text|xml xsl xslt xsd rdf rss atom config manifest plist fods fodt rels resx
xmlplist|application/x-plist|property list|PLIST|plist|text|plist webloc
kml|application/vnd.google-earth.kml+xml|KML map|KML||text|kml
gpx|application/gpx+xml|GPX track|GPX||text|gpx
json|application/json|JSON|JSON||text|json jsonl ndjson geojson map ipynb har
eml|message/rfc822|mail message|EML||text|eml emlx mht mhtml
mbox|application/mbox|mailbox|MBOX||text|mbox mbx
vcard|text/vcard|vCard contacts|VCF||text|vcf vcard
ical|text/calendar|iCalendar|ICS||text|ics ical ifb
csv|text/csv|table of values|CSV||text|csv tsv tab
script|text/x-script|script|SCRIPT||text|sh bash py pl rb ps1 zsh fish
text|text/plain|plain text|TXT||text|txt text log
utf16|text/plain|plain text (UTF-16)|TXT|text|text|
utf32|text/plain|plain text (UTF-32)|TXT|text|text|
text8|text/plain|plain text (8-bit)|TXT|text|text|
"""

_PLAIN_TEXT = (
    "md ini cfg conf inf css js ts c h cpp hpp cs java go rs sql yml yaml toml bat cmd vbs lua tex srt vtt sub "
    "m3u m3u8 properties reg url lst list nfo"
)

# Extensions that also hold other kinds, by habit of the programs that write them.
_ALSO = {
    "doc": "rtf html xml text zip eml", "dot": "rtf zip", "xls": "html xml csv text zip", "ppt": "zip",
    "docx": "officecrypt ole", "docm": "officecrypt", "xlsx": "officecrypt ole", "xlsm": "officecrypt",
    "pptx": "officecrypt", "pub": "text pem", "key": "text openssl der", "cap": "text", "exe": "zip rar 7z",
    "tgz": "tar", "ps1": "text", "mdb": "sqlite", "ttf": "otf", "ttc": "ttf otf", "dll": "mz", "drv": "mz",
    "sys": "mz text", "com": "text", "ai": "postscript", "lib": "text", "a": "text", "p7m": "text eml", "p7s": "text",
    "cer": "text", "crt": "text", "p7b": "text", "iso": "mbr hfs ntfs fat", "map": "png bmp", "pages": "xml",
    "strings": "text", "nib": "xml", "ts": "mpegts", "mts": "text", "sub": "mpeg", "one": "text",
    "class": "text", "cab": "iscab", "pkg": "zip gzip", "vmdk": "mbr ntfs fat ext text", "aff": "text", "mid": "wav",
    "gz": "tar text", "z": "zip gzip", "lst": "ole", "reg": "registry", "pgp": "pgpkey text", "gpg": "pgpkey text",
    "asc": "pgp pgpkey text", "age": "text", "list": "zip", "log": "bplist evtx leveldb", "py": "text", "sh": "text",
}  # fmt: skip


class Kind:
    """One kind of content.

    Attributes:
        key: Name within the tables of this room.
        mime: Media type.
        name: Short name for people.
        short: Upper-case token.
        family: Kinds with the same family share a container; the key itself where there is none.
        group: Kinds with the same group are related.
    """

    __slots__ = ("_by_extension", "_unsaid", "family", "group", "key", "mime", "name", "short", "source")

    def __init__(self, key: str, mime: str, name: str, short: str, family: str = "", group: str = "") -> None:
        self.key = key
        self.mime = mime
        self.name = name
        self.short = short
        self.family = family or key
        self.group = group
        self.source = "none" if not group else "text" if group == "text" else "signature"
        self._unsaid = ContentType(mime, name, self.source)
        self._by_extension: dict[bytes, ContentType] = {}

    def typed(self, extension: bytes) -> ContentType:
        """The content type under a name with this extension.

        Args:
            extension: Lower case, without its dot; may be empty.
        """
        known = self._by_extension.get(extension)
        if known is not None:
            return known
        verdict = self.agrees(extension)
        if extension not in EXTENSIONS:
            return self._unsaid
        known = ContentType(self.mime, self.name, self.source, verdict)
        self._by_extension[extension] = known
        return known

    def agrees(self, extension: bytes) -> bool | None:
        """Whether the extension fits, None where nothing can be said."""
        accepted = EXTENSIONS.get(extension)
        if accepted is None or not self.group or self.key in _NO_VERDICT:
            return None
        if self.key in accepted or self.family in accepted:
            return True
        if self.group in _RELATED_GROUPS and self.group in {KINDS[key].group for key in accepted if key in KINDS}:
            return None
        return False


def _read_rows() -> tuple[dict[str, Kind], dict[bytes, frozenset[str]]]:
    kinds: dict[str, Kind] = {}
    accepted: dict[str, set[str]] = {}
    for row in _ROWS.strip().splitlines():
        key, mime, name, short, family, group, extensions = row.split("|")
        for prefix, full in _PREFIXES.items():
            mime = mime.replace(prefix, full)
        kind = kinds[key] = Kind(key, mime, name, short, family, group)
        for extension in extensions.split():
            accepted.setdefault(extension, set()).update((key, kind.family))
    for extension in _PLAIN_TEXT.split():
        accepted.setdefault(extension, set()).add("text")
    for extension, keys in _ALSO.items():
        if extension in accepted:
            accepted[extension].update(keys.split())
    return kinds, {extension.encode(): frozenset(keys) for extension, keys in accepted.items()}


KINDS: dict[str, Kind]
EXTENSIONS: dict[bytes, frozenset[str]]
KINDS, EXTENSIONS = _read_rows()
EMPTY = Kind("empty", "application/x-empty", "empty", "")
UNKNOWN = Kind("unknown", "application/octet-stream", "unknown", "")
SHORT_BY_NAME = {kind.name: kind.short for kind in KINDS.values()}
