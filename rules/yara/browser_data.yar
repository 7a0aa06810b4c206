// Databases of browsers. Presence is stated (role "note", no indicator), so that history, searches and autofill are read.

rule ChromiumHistory
{
    meta:
        description = "History of Chrome, Edge, Brave, Opera or another Chromium browser"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $urls = /CREATE TABLE ["'`\[]?urls["'`\]]?[ \r\n\t]{0,3}\(/
        $terms = "keyword_search_terms"
        $visits = /CREATE TABLE ["'`\[]?visits["'`\]]?[ \r\n\t]{0,3}\(/
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        2 of them
}

rule FirefoxPlaces
{
    meta:
        description = "History and bookmarks of Firefox (places.sqlite)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $places = "CREATE TABLE moz_places"
        $visits = "CREATE TABLE moz_historyvisits"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        all of them
}

rule SafariHistory
{
    meta:
        description = "History of Safari (History.db)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $items = "CREATE TABLE history_items"
        $visits = "CREATE TABLE history_visits"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        all of them
}

rule ChromiumLogins
{
    meta:
        description = "Saved logins of a Chromium browser; several account names may be in it"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $logins = /CREATE TABLE ["'`\[]?logins["'`\]]?[ \r\n\t]{0,3}\(/
        $action = "action_url"
        $user = "username_value"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        all of them
}

rule ChromiumAutofill
{
    meta:
        description = "Autofill of a Chromium browser: names, addresses and numbers typed into forms"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $autofill = /CREATE TABLE ["'`\[]?autofill["'`\]]?[ \r\n\t]{0,3}\(/
        $profiles1 = "autofill_profiles"
        $profiles2 = "CREATE TABLE addresses"
        $cards = "credit_cards"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        $autofill and any of ($profiles1, $profiles2, $cards)
}
