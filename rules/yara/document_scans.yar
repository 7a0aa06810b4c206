// Traces of scanned identity documents: machine-readable zones (ICAO 9303), text of a data page, scanner apps, and
// layered templates. A machine-readable zone is plausible by its layout only; its check digits are for the selector room.

rule PassportMachineReadableZone
{
    meta:
        description = "Two lines of a passport or visa machine-readable zone (TD3, MRV-A)"
        indicator = "identity.third_party_docs"
        role = "evidence"
        weight = "0.4"
        confidence = "high"
        reference = "ICAO Doc 9303, part 4"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Travel agents, hotels, landlords, personnel offices, families; specimens."
    strings:
        $mrz = /[PV][A-Z<][A-Z<]{3}[A-Z<]{35}<<<<[\r\n ]{1,3}[A-Z0-9<]{9}[0-9][A-Z<]{3}[0-9]{7}[MFX<][0-9]{7}/ ascii wide
    condition:
        $mrz
}

rule IdentityCardMachineReadableZone
{
    meta:
        description = "Three lines of an identity card machine-readable zone (TD1)"
        indicator = "identity.third_party_docs"
        role = "evidence"
        weight = "0.4"
        confidence = "high"
        reference = "ICAO Doc 9303, part 5"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Travel agents, hotels, landlords, personnel offices, families; specimens."
    strings:
        $mrz = /[ACI][A-Z0-9<][A-Z<]{3}[A-Z0-9<]{25}[\r\n ]{1,3}[0-9]{7}[MFX<][0-9]{7}[A-Z<]{3}[A-Z0-9<]{11}[0-9][\r\n ]{1,3}[A-Z<]{6,26}<<<</ ascii wide
    condition:
        $mrz
}

rule SeveralMachineReadableZones
{
    meta:
        description = "Machine-readable zones of three or more documents in one file"
        indicator = "identity.third_party_docs"
        role = "evidence"
        weight = "0.75"
        confidence = "medium"
        reference = "ICAO Doc 9303, parts 4 and 5"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Travel agents, hotels, landlords, personnel offices, families; specimens."
    strings:
        $passport = /[PV][A-Z<][A-Z<]{3}[A-Z<]{35}<<<<[\r\n ]{1,3}[A-Z0-9<]{9}[0-9][A-Z<]{3}[0-9]{7}[MFX<][0-9]{7}/ ascii wide
        $card = /[ACI][A-Z0-9<][A-Z<]{3}[A-Z0-9<]{25}[\r\n ]{1,3}[0-9]{7}[MFX<][0-9]{7}[A-Z<]{3}[A-Z0-9<]{11}[0-9][\r\n ]{1,3}[A-Z<]{6,26}<<<</ ascii wide
    condition:
        #passport + #card > 2
}

rule PassportPageText
{
    meta:
        description = "Captions of a passport data page as text, as OCR leaves them"
        indicator = "identity.third_party_docs"
        role = "evidence"
        weight = "0.2"
        confidence = "medium"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Visa forms, guides for travellers, own passport."
    strings:
        $number = "Passport No" nocase ascii wide
        $given = "Given names" nocase ascii wide
        $nation = "Nationality" nocase ascii wide
        $birth = "Date of birth" nocase ascii wide
        $place = "Place of birth" nocase ascii wide
        $issue = "Date of issue" nocase ascii wide
        $expiry = "Date of expiry" nocase ascii wide
        $bearer1 = "Signature of bearer" nocase ascii wide
        $bearer2 = "Holder's signature" nocase ascii wide
        $state = "Code of issuing State" nocase ascii wide
    condition:
        filesize < 2MB and $number and any of ($bearer1, $bearer2, $state) and 4 of ($given, $nation, $birth, $place, $issue, $expiry)
}

rule ScannerAppOutput
{
    meta:
        description = "Picture or PDF made by a scanner app (CamScanner, Adobe Scan, vFlat and others)"
        indicator = "identity.third_party_docs"
        role = "note"
        weight = "0.1"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everyday scanning of bills and homework."
    strings:
        $cam = "CamScanner" ascii wide
        $adobe = "Adobe Scan" ascii wide
        $vflat = "vFlat" ascii wide
        $genius = "Genius Scan" ascii wide
        $turbo = "TurboScan" ascii wide
        $lens = "Microsoft Lens" ascii wide
        $office = "Office Lens" ascii wide
        $scanbot = "Scanbot" ascii wide
        $tiny = "Tiny Scanner" ascii wide
    condition:
        (uint32be(0) == 0x25504446 or uint16be(0) == 0xFFD8 or uint32be(0) == 0x89504E47) and any of them
}

rule IdentityTemplate
{
    meta:
        description = "Layered picture with the captions of an identity document (template)"
        indicator = "identity.forged_docs"
        role = "evidence"
        weight = "0.5"
        confidence = "medium"
        reference = "Adobe Photoshop File Formats Specification"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Design work, specimens for training, film props."
    strings:
        $ocrb1 = "OCR-B" ascii wide
        $ocrb2 = "OCRB" ascii wide
        $mrz = "MRZ" ascii wide fullword
        $given = "Given names" nocase ascii wide
        $number = "Passport No" nocase ascii wide
        $bearer = "Signature of bearer" nocase ascii wide
        $expiry = "Date of expiry" nocase ascii wide
        $authority = "Authority" ascii wide fullword
        $holo = "hologram" nocase ascii wide
    condition:
        uint32be(0) == 0x38425053 and 4 of them // "8BPS"
}
