// Encrypted containers and what opens them. Presence is stated (role "note"): it raises the priority of imaging and
// explains what was not read, and says nothing about guilt.

import "math"

rule LuksContainer
{
    meta:
        description = "LUKS encrypted volume (Linux disk encryption)"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.15"
        confidence = "high"
        reference = "LUKS1 On-Disk Format Specification 1.2.3; LUKS2 On-Disk Format Specification 1.0"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Privacy-minded users, companies and public offices encrypt as a rule."
    condition:
        uint32be(0) == 0x4C554B53 and uint16be(4) == 0xBABE and // "LUKS" BA BE
        (uint16be(6) == 1 or uint16be(6) == 2)
}

rule KeePassDatabase
{
    meta:
        description = "KeePass password database"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.15"
        confidence = "high"
        reference = "KeePass KDBX file format"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Recommended practice for everybody."
    condition:
        uint32(0) == 0x9AA2D903 and
        (uint32(4) == 0xB54BFB67 or uint32(4) == 0xB54BFB66 or uint32(4) == 0xB54BFB65)
}

rule BitLockerVolume
{
    meta:
        description = "Volume encrypted with BitLocker"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.1"
        confidence = "high"
        reference = "libyal, BitLocker Drive Encryption (BDE) format"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Default on many office computers."
    condition:
        uint32be(3) == 0x2D465645 and uint32be(7) == 0x2D46532D and // "-FVE-FS-"
        uint16(510) == 0xAA55
}

rule BitLockerRecoveryKeyText
{
    meta:
        description = "BitLocker recovery key kept as text; the key itself is not shown"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.2"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Windows asks every user to keep this file."
        secret = "yes"
    strings:
        $name = "BitLocker" ascii wide nocase
        $key_en = /Recovery Key[^0-9]{1,40}[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}/ ascii wide nocase private
        $key_de = /Wiederherstellungsschl[^0-9]{1,40}[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}/ ascii wide nocase private
        $key_fr = /cup[^0-9]{1,2}ration[^0-9]{1,40}[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}/ ascii wide nocase private
        $key_es = /Clave de recuperaci[^0-9]{1,40}[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}/ ascii wide nocase private
        $key_it = /Chiave di ripristino[^0-9]{1,40}[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}/ ascii wide nocase private
        $key_pt = /Chave de recupera[^0-9]{1,40}[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}/ ascii wide nocase private
        $key_pl = /Klucz odzyskiwania[^0-9]{1,40}[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}/ ascii wide nocase private
    condition:
        filesize < 1MB and $name and any of ($key_*)
}

rule AxCryptFile
{
    meta:
        description = "File encrypted with AxCrypt"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.15"
        confidence = "high"
        reference = "AxCrypt file format, header GUID"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Privacy-minded users, companies and public offices encrypt as a rule."
    condition:
        uint32be(0) == 0xC0B9072E and uint32be(4) == 0x4F93F146 and uint32be(8) == 0xA015792C and uint32be(12) == 0xA1D9E821
}

rule SevenZipEncrypted
{
    meta:
        description = "7-Zip archive with AES encryption"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.15"
        confidence = "high"
        reference = "7z format description, method 06F10701 (7zAES)"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Privacy-minded users, companies and public offices encrypt as a rule."
    strings:
        $aes = { 06 F1 07 01 }
    condition:
        uint32be(0) == 0x377ABCAF and uint16be(4) == 0x271C and
        for any i in (1..#aes) : (@aes[i] + 65536 > filesize) // coder in the header at the end
}

rule ZipEncrypted
{
    meta:
        description = "ZIP archive whose first member is encrypted"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.1"
        confidence = "high"
        reference = "APPNOTE.TXT 6.3.10, section 4.4.4, bit 0"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Pay slips and medical letters are sent this way."
    condition:
        uint32(0) == 0x04034B50 and (uint16(6) & 1) == 1
}

rule RarEncrypted
{
    meta:
        description = "RAR archive with encrypted headers or encrypted first member"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.15"
        confidence = "high"
        reference = "RAR 5.0 archive format; RAR 4 technical note"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Privacy-minded users, companies and public offices encrypt as a rule."
    condition:
        uint32be(0) == 0x52617221 and uint16be(4) == 0x1A07 and
        (
            (uint16be(6) == 0x0100 and uint8(13) == 4) or // RAR 5, encryption header first
            (uint8(6) == 0 and uint8(9) == 0x73 and (uint16(10) & 0x80) != 0) or // RAR 4, headers encrypted
            (uint8(6) == 0 and uint8(9) == 0x73 and uint8(22) == 0x74 and (uint16(23) & 4) != 0) // RAR 4, member encrypted
        )
}

rule EncryptedDiskImageMac
{
    meta:
        description = "Encrypted disk image of macOS"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.15"
        confidence = "high"
        reference = "libyal, Mac OS disk image types, encrypted image header"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Privacy-minded users, companies and public offices encrypt as a rule."
    strings:
        $v1 = "cdsaencr"
    condition:
        (uint32be(0) == 0x656E6372 and uint32be(4) == 0x63647361) or // "encrcdsa"
        (filesize > 1KB and for any i in (1..#v1) : (@v1[i] + 8 == filesize))
}

rule VeraCryptSettings
{
    meta:
        description = "Settings, history or favourites of VeraCrypt"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.2"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Privacy-minded users, companies and public offices encrypt as a rule."
    strings:
        $root = "<VeraCrypt>" ascii wide
        $config = "<configuration>" ascii wide
        $history = "<history>" ascii wide
        $favourites = "<favorites>" ascii wide
    condition:
        filesize < 1MB and $root and any of ($config, $history, $favourites)
}

rule VeraCryptContainerByName
{
    meta:
        description = "File named like a VeraCrypt or TrueCrypt container whose content is random throughout"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.2"
        confidence = "medium"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Cannot be told from other random data; the name may be chance."
    condition:
        (extension iequals ".hc" or extension iequals ".tc") and
        filesize >= 4KB and filesize % 512 == 0 and
        math.entropy(0, 4096) > 7.8
}

rule PgpOrAgeEncrypted
{
    meta:
        description = "Text or file encrypted with OpenPGP or age"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.1"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Journalists, lawyers and administrators use it daily."
    strings:
        $pgp = /-----BEGIN PGP MESSAGE-----\r?\n/
        $secret = /-----BEGIN PGP PRIVATE KEY BLOCK-----\r?\n/
        $age = "age-encryption.org/v1"
        $agearmour = "-----BEGIN AGE ENCRYPTED FILE-----"
    condition:
        $pgp or $secret or $age at 0 or $agearmour
}

rule EncryptedFolderKeyFile
{
    meta:
        description = "Key file of an encrypted folder (Cryptomator, gocryptfs)"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.15"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Cloud users who encrypt before upload."
    strings:
        $cm1 = "\"primaryMasterKey\""
        $cm2 = "\"hmacMasterKey\""
        $cm3 = "\"scryptSalt\""
        $go1 = "\"EncryptedKey\""
        $go2 = "\"ScryptObject\""
        $go3 = "gocryptfs"
    condition:
        filesize < 64KB and (all of ($cm*) or all of ($go*))
}

rule OfficeFileEncrypted
{
    meta:
        description = "Office document protected by a password"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.1"
        confidence = "high"
        reference = "MS-OFFCRYPTO, section 2.3.4"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Personnel and bank documents."
    strings:
        $package = { 45 00 6E 00 63 00 72 00 79 00 70 00 74 00 65 00 64 00 50 00 61 00 63 00 6B 00 61 00 67 00 65 00 }
        $space = "StrongEncryptionDataSpace" wide
    condition:
        uint32be(0) == 0xD0CF11E0 and uint32be(4) == 0xA1B11AE1 and $package and $space
}
