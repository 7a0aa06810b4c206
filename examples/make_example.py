"""Makes ``seized-stick.E01``: the small image of the README.

A USB stick that never existed: an MBR with one FAT16 partition, a dozen files, two of them deleted. Everything on it was
written for this purpose; names, numbers and places are invented.

Needs ``mkfs.fat`` (dosfstools), ``mcopy``, ``mmd`` and ``mdel`` (mtools), ``ewfacquirestream`` (libewf tools):

    python examples/make_example.py examples/
"""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SECTOR = 512
START = 2048
SECTORS = 32768  # 16 MiB
WHEN = (2024, 3, 9, 21, 14, 0)

RULES = """HOUSE RULES / REGULILE CASEI

1. Passports stay in the office until your debt is paid.
2. Nobody leaves the house without asking Viktor. The door is locked at 22:00.
3. Phones are handed in at 21:00. Fine for a hidden phone: 50.
4. Do not talk to the neighbours. If anybody asks, you are here on holiday.
5. Who does not make the quota pays a fine of 30 for every day.

1. Pasapoartele raman la birou pana platesti datoria.
2. Nimeni nu iese din casa fara voie.
"""

LEDGER = """name;ticket;visa;rent;fine;earned;deducted;still owes
Ana;280;150;400;80;1950;1950;1460
Doina;280;150;400;30;2100;2100;1320
Ilinca;280;150;400;110;1700;1700;1890
"""

CHAT = """[03/03/2024, 19:02:11] Mihai: am doua fete pentru tine, pleaca vineri
[03/03/2024, 19:03:40] V: ce le-ai spus
[03/03/2024, 19:04:02] Mihai: ospatarita in Italia, 1500 pe luna, cazare gratis, fara experienta
[03/03/2024, 19:05:30] V: bine. ia le pasapoartele la granita si da-le soferului
[03/03/2024, 19:06:12] Mihai: cat imi dai
[03/03/2024, 19:06:55] V: 300 de cap. drumul il platesc ele din munca, 900 fiecare datorie
[03/03/2024, 19:09:20] Mihai: una e minunata, orfana, nu are pe nimeni
[04/03/2024, 07:31:00] V: sa spuna la granita ca merg in vizita la o matusa
"""

DRAFT = """I want to go home. They keep my passport and they do not let me out.
Please call the police, the house is behind the petrol station, yellow gate.
"""

COACHING = """If the police come: you came alone, you pay your own rent, you keep your passport yourself.
You never met Viktor. Say you are a tourist. Delete this chat after reading.
"""

SCHOOL = """School project: human trafficking and modern slavery.
Victims of trafficking are often recruited with false job offers, their passports are taken away and they are told
that they owe a debt. The police said that prevention campaigns help. If you need help, call the national hotline.
According to article 4 of the European Convention on Human Rights nobody shall be held in slavery.
"""

HOLIDAY = """Packing list: passports (in the blue bag!), tickets, sun cream, charger, snacks for the drive.
Hotel is paid, breakfast included. Pick up Anna at the station at 6.
"""

RECIPE = "Apple cake: 3 eggs, 200 g flour, 150 g sugar, 4 apples, bake for 40 minutes at 180 degrees.\n"

OFFER = (
    "Girls wanted for work abroad! No experience needed, visa and ticket provided, accommodation free. "
    "You pay us back from your first wages. Send photo and a copy of your passport."
)


def docx(text: str) -> bytes:
    """A word-processor document with one paragraph."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/'
        f'2006/main"><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>'
    )
    types = (
        '<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/'
        'content-types"><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml"'
        ' ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
    )
    return archive({"[Content_Types].xml": types.encode(), "word/document.xml": body.encode()})


def archive(members: dict[str, bytes]) -> bytes:
    """A ZIP file with fixed times."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in members.items():
            out.writestr(zipfile.ZipInfo(name, WHEN), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def luks_header() -> bytes:
    """The beginning of an encrypted container: a LUKS1 header and bytes that mean nothing."""
    header = b"LUKS\xba\xbe" + struct.pack(">H", 1) + b"aes".ljust(32, b"\0") + b"xts-plain64".ljust(32, b"\0")
    return (header + b"sha256".ljust(32, b"\0")).ljust(4096, b"\0") + bytes((i * 197 + 31) % 251 for i in range(8192))


FILES: dict[str, bytes] = {
    "house/rules.txt": RULES.encode(),
    "house/march.csv": LEDGER.encode("utf-16"),
    "house/WhatsApp Chat with Mihai.txt": CHAT.encode(),
    "house/offer.docx": docx(OFFER),
    "house/backup.zip": archive({"draft.txt": DRAFT.encode(), "cake.txt": RECIPE.encode()}),
    "house/holiday.jpg": archive({"rules.txt": RULES.encode()}),
    "house/vault.img": luks_header(),
    "school/project.txt": SCHOOL.encode(),
    "family/packing.txt": HOLIDAY.encode(),
    "family/cake.txt": RECIPE.encode(),
    "if they ask.txt": COACHING.encode(),
    "draft.txt": DRAFT.encode(),
}
DELETED = ("if they ask.txt", "draft.txt")


def run(*command: str) -> None:
    """One tool, with its output kept quiet."""
    environment = dict(os.environ, MTOOLS_SKIP_CHECK="1", TZ="UTC", SOURCE_DATE_EPOCH="1710018840")
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def raw_image(folder: Path) -> Path:
    """MBR and partition."""
    partition = folder / "partition.fat"
    partition.write_bytes(bytes(SECTORS * SECTOR))
    run("mkfs.fat", "-F", "16", "-n", "STICK", "-i", "5e12ed01", "-h", str(START), "--invariant", str(partition))
    for name in sorted({name.rpartition("/")[0] for name in FILES if "/" in name}):
        run("mmd", "-i", str(partition), f"::{name}")
    stamp = 1_710_018_840
    for number, (name, data) in enumerate(FILES.items()):
        local = folder / f"file{number}"
        local.write_bytes(data)
        os.utime(local, (stamp + 60 * number, stamp + 60 * number))
        run("mcopy", "-m", "-i", str(partition), str(local), f"::{name}")
    for name in DELETED:
        run("mdel", "-i", str(partition), f"::{name}")
    entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x06, b"\xfe\xff\xff", START, SECTORS)
    mbr = bytes(440) + struct.pack("<IH", 0x7A57E01D, 0) + entry + bytes(48) + b"\x55\xaa"
    image = folder / "stick.dd"
    image.write_bytes(mbr.ljust(START * SECTOR, b"\0") + partition.read_bytes())
    return image


def main() -> None:
    """Write the image into the folder named on the command line."""
    target = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        image = raw_image(Path(scratch))
        with open(image, "rb") as source:
            subprocess.run(
                ["ewfacquirestream", "-t", str(target / "seized-stick"), "-C", "EXAMPLE-1", "-D", "USB stick", "-e",
                 "nobody", "-E", "1", "-N", "made for the README; nothing on it is real", "-c", "best", "-d", "sha1",
                 "-f", "encase6", "-m", "removable", "-M", "physical"],
                stdin=source, check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip


if __name__ == "__main__":
    main()
