// Stores of mail programs. Presence is stated (role "note", no indicator).

rule OutlookStore
{
    meta:
        description = "Outlook mail store (PST or OST)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        reference = "MS-PST, section 2.2.2.6"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everyday mail."
    condition:
        uint32be(0) == 0x2142444E and (uint16(8) == 0x4D53 or uint16(8) == 0x4F53) // "!BDN", "SM" or "SO"
}

rule MboxStore
{
    meta:
        description = "Mailbox in mbox form"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everyday mail."
    strings:
        $from = /From [^\r\n]{3,120}(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) /
        $id = "Message-ID:" nocase
        $received = "Received:" nocase
        $subject = "Subject:" nocase
    condition:
        $from at 0 and 2 of ($id, $received, $subject)
}

rule ThunderbirdIndex
{
    meta:
        description = "Message index of Thunderbird (global-messages-db.sqlite)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everyday mail."
    strings:
        $text = "messagesText"
        $folders = "CREATE TABLE folderLocations"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        all of them
}

rule OutlookMessage
{
    meta:
        description = "Single mail saved by Outlook (MSG)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        reference = "MS-OXMSG, section 2.1.3"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everyday mail."
    strings:
        $subject = { 5F 00 5F 00 73 00 75 00 62 00 73 00 74 00 67 00 31 00 2E 00 30 00 5F 00 30 00 30 00 33 00 37 00 }
    condition:
        uint32be(0) == 0xD0CF11E0 and uint32be(4) == 0xA1B11AE1 and $subject // "__substg1.0_0037": subject
}
