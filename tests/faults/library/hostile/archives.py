"""Workbooks that lie: zips of a few kilobytes that claim little and hold much, or claim much."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
)
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
ROOT = (
    f'<?xml version="1.0"?><Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" '
    f'Type="{RELATION}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
)
BOOK = (
    f'<?xml version="1.0"?><workbook xmlns="{MAIN}" xmlns:r="{RELATION}"><sheets>'
    '<sheet name="one" sheetId="1" r:id="rId1"/></sheets></workbook>'
)
LINKS = (
    f'<?xml version="1.0"?><Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" '
    f'Type="{RELATION}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" '
    f'Type="{RELATION}/sharedStrings" Target="sharedStrings.xml"/></Relationships>'
)
STRINGS = f'<?xml version="1.0"?><sst xmlns="{MAIN}"><si><t>a</t></si></sst>'
HEADER = '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'
SHEET = "xl/worksheets/sheet1.xml"


def sheet(rows: str) -> str:
    """A worksheet whose first row names the column a."""
    return f'<?xml version="1.0"?><worksheet xmlns="{MAIN}"><sheetData>{HEADER}{rows}</sheetData></worksheet>'


def workbook(
    rows: str = '<row r="2"><c r="A2"><v>1</v></c></row>', parts: Mapping[str, str | bytes] | None = None
) -> bytes:
    """A workbook of one sheet; parts: other members, by path, in place of those of its own."""
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": TYPES,
        "_rels/.rels": ROOT,
        "xl/workbook.xml": BOOK,
        "xl/_rels/workbook.xml.rels": LINKS,
        "xl/sharedStrings.xml": STRINGS,
        SHEET: sheet(rows),
    }
    with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (members | dict(parts or {})).items():
            archive.writestr(name, content)
    return file.getvalue()


def lying(member: str, content: bytes, claimed: int) -> bytes:
    """A workbook whose `member` inflates to `content`, but says `claimed` bytes, with the checksum of so many."""
    honest = workbook(parts={member: content})
    size, crc = len(content), zlib.crc32(content)
    said = struct.pack("<I", zlib.crc32(content[:claimed])), struct.pack("<I", claimed)
    found = struct.pack("<I", crc), struct.pack("<I", size)
    packed = bytearray(honest)
    for signature, offset in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        start = 0
        while (start := packed.find(signature, start)) >= 0:
            if packed[start + offset : start + offset + 4] == found[0]:
                packed[start + offset : start + offset + 4] = said[0]
                packed[start + offset + 8 : start + offset + 12] = said[1]
            start += 4
    return bytes(packed)
