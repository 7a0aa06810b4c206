// Databases and exports of chat, SMS, contact and call programs. Presence is stated (role "note", no indicator): it says
// which conversations exist, so that an examiner does not miss one. The schema text is required beside the header.

rule WhatsAppAndroid
{
    meta:
        description = "WhatsApp messages (Android, msgstore.db)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $old1 = "key_remote_jid"
        $old2 = "media_wa_type"
        $new1 = "chat_row_id"
        $new2 = "sender_jid_row_id"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        (all of ($old*) or all of ($new*))
}

rule WhatsAppIos
{
    meta:
        description = "WhatsApp messages (iOS, ChatStorage.sqlite)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $message = "CREATE TABLE ZWAMESSAGE"
        $session = "CREATE TABLE ZWACHATSESSION"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        all of them
}

rule TelegramAndroid
{
    meta:
        description = "Telegram messages (Android, cache4.db)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $v1 = /CREATE TABLE ["'`\[]?messages["'`\]]?[ \r\n\t]{0,3}\(/
        $v2 = /CREATE TABLE ["'`\[]?messages_v2["'`\]]?[ \r\n\t]{0,3}\(/
        $enc = /CREATE TABLE ["'`\[]?enc_chats["'`\]]?[ \r\n\t]{0,3}\(/
        $dialogs = "CREATE TABLE dialogs(did INTEGER"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        ($v1 or $v2) and ($enc or $dialogs)
}

rule TelegramIos
{
    meta:
        description = "Telegram messages (iOS and macOS, postbox)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "medium"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $store = /CREATE TABLE ["'`\[]?t7["'`\]]?[ \r\n\t]{0,3}\(/
        $text = "CREATE VIRTUAL TABLE ft41"
        $peers = /CREATE TABLE ["'`\[]?t2["'`\]]?[ \r\n\t]{0,3}\(/
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        2 of them
}

rule ViberMessages
{
    meta:
        description = "Viber messages (desktop, Android or iOS)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $pc1 = "CREATE TABLE ChatInfo"
        $pc2 = "CREATE TABLE Events"
        $pc3 = "CREATE TABLE ChatRelation"
        $and1 = "CREATE TABLE participants_info"
        $and2 = "CREATE TABLE conversations"
        $ios1 = "CREATE TABLE ZVIBERMESSAGE"
        $ios2 = "CREATE TABLE ZCONVERSATION"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        (2 of ($pc*) or all of ($and*) or all of ($ios*))
}

rule SignalMessages
{
    meta:
        description = "Signal messages in a readable database (decrypted copy or old version)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "medium"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $desktop1 = "expireTimer"
        $desktop2 = "hasVisualMediaAttachments"
        $android1 = "CREATE TABLE groups"
        $android2 = "expires_started"
        $android3 = "recipient_id"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        (all of ($desktop*) or all of ($android*))
}

rule SignalDesktopKey
{
    meta:
        description = "Key file of Signal Desktop; the key is not shown"
        indicator = ""
        role = "note"
        weight = "0.1"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Signal is a common messenger."
        secret = "yes"
    strings:
        $plain = /"key":[ ]?"[0-9a-f]{64}"/ private
        $sealed = "\"encryptedKey\""
    condition:
        filesize < 16KB and uint8(0) == 0x7B and ($plain or $sealed)
}

rule SkypeMessages
{
    meta:
        description = "Skype messages (main.db)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $messages = /CREATE TABLE ["'`\[]?Messages["'`\]]?[ \r\n\t]{0,3}\(/
        $body = "body_xml"
        $from = "from_dispname"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        all of them
}

rule AndroidSms
{
    meta:
        description = "SMS and MMS of Android (mmssms.db)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $sms = /CREATE TABLE ["'`\[]?sms["'`\]]?[ \r\n\t]{0,3}\(/
        $threads = /CREATE TABLE ["'`\[]?threads["'`\]]?[ \r\n\t]{0,3}\(/
        $addresses = "canonical_addresses"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        all of them
}

rule IosSms
{
    meta:
        description = "SMS and iMessage of iOS and macOS (sms.db, chat.db)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $message = /CREATE TABLE ["'`\[]?message["'`\]]?[ \r\n\t]{0,3}\(/
        $join = "chat_message_join"
        $handle = /CREATE TABLE ["'`\[]?handle["'`\]]?[ \r\n\t]{0,3}\(/
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        all of them
}

rule AndroidContacts
{
    meta:
        description = "Contacts of Android (contacts2.db)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $raw = /CREATE TABLE ["'`\[]?raw_contacts["'`\]]?[ \r\n\t]{0,3}\(/
        $mime = /CREATE TABLE ["'`\[]?mimetypes["'`\]]?[ \r\n\t]{0,3}\(/
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        all of them
}

rule IosAddressBook
{
    meta:
        description = "Address book of iOS (AddressBook.sqlitedb)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $person = /CREATE TABLE ["'`\[]?ABPerson["'`\]]?[ \r\n\t]{0,3}\(/
        $value = /CREATE TABLE ["'`\[]?ABMultiValue["'`\]]?[ \r\n\t]{0,3}\(/
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        all of them
}

rule CallHistory
{
    meta:
        description = "Call history of iOS or Android"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $ios = "CREATE TABLE ZCALLRECORD"
        $android = /CREATE TABLE ["'`\[]?calls["'`\]]?[ \r\n\t]{0,3}\(/
        $number = "presentation"
        $duration = "duration"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        ($ios or ($android and $number and $duration))
}

rule FacebookMessenger
{
    meta:
        description = "Messages of Facebook Messenger"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $thread = "thread_key"
        $offline = "offline_threading_id"
        $people1 = "thread_participants"
        $people2 = "CREATE TABLE participants"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        $thread and $offline and any of ($people*)
}

rule InstagramDirect
{
    meta:
        description = "Direct messages of Instagram (direct.db)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $server = "server_item_id"
        $client = "client_item_id"
        $thread = "thread_id"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        all of them
}

rule LineMessages
{
    meta:
        description = "LINE messages (Android or iOS)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $and1 = "CREATE TABLE chat_history"
        $and2 = "from_mid"
        $ios1 = "CREATE TABLE ZMESSAGE"
        $ios2 = "CREATE TABLE ZCHAT "
        $ios3 = "ZMID"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        (all of ($and*) or all of ($ios*))
}

rule WeChatMessages
{
    meta:
        description = "WeChat messages in a readable database (iOS, or a decrypted copy)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $ios1 = "CREATE TABLE Chat_"
        $ios2 = "MesSvrID"
        $and1 = "CREATE TABLE rconversation"
        $and2 = "msgSvrId"
        $and3 = "talker"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        (all of ($ios*) or all of ($and*))
}

rule ZaloMessages
{
    meta:
        description = "Zalo messages"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "low"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $table = "chat_content"
        $sender = "senderUid"
        $owner = "ownerId"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        $table and any of ($sender, $owner)
}

rule KikMessages
{
    meta:
        description = "Kik messages (Android or iOS)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $android = "messagesTable"
        $bin = "bin_id"
        $ios1 = "CREATE TABLE ZKIKMESSAGE"
        $ios2 = "CREATE TABLE ZKIKUSER"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        (($android and $bin) or all of ($ios*))
}

rule SnapchatMessages
{
    meta:
        description = "Snapchat messages (arroyo.db)"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $message = "CREATE TABLE conversation_message"
        $conversation = "client_conversation_id"
    condition:
        uint32be(0) == 0x53514C69 and uint32be(4) == 0x74652066 and // "SQLite f"
        all of them
}

rule DiscordMessages
{
    meta:
        description = "Discord messages in cache or export"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "medium"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $channel = "\"channel_id\""
        $author = "\"author\""
        $mention = "\"mention_everyone\""
        $discriminator = "\"discriminator\""
    condition:
        filesize < 64MB and (uint8(0) == 0x5B or uint8(0) == 0x7B) and all of them
}

rule TelegramExport
{
    meta:
        description = "Export of Telegram Desktop"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $json1 = "\"text_entities\""
        $json2 = "\"from_id\""
        $json3 = "\"personal_chat\""
        $json4 = "\"personal_information\""
        $html1 = "class=\"from_name\""
        $html2 = "class=\"page_wrap\""
    condition:
        (uint8(0) == 0x7B and 3 of ($json*)) or all of ($html*)
}

rule WhatsAppTextExport
{
    meta:
        description = "Chat of WhatsApp exported as text"
        indicator = ""
        role = "note"
        weight = "0.05"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Everybody has such databases."
    strings:
        $english = "Messages and calls are end-to-end encrypted"
        $german = "Nachrichten und Anrufe sind Ende-zu-Ende-verschl"
        $spanish = "Los mensajes y las llamadas est\xC3\xA1n cifrados de extremo a extremo"
        $french = "Les messages et les appels sont chiffr\xC3\xA9s de bout en bout"
        $portuguese = "As mensagens e as liga\xC3\xA7\xC3\xB5es s\xC3\xA3o protegidas com a criptografia"
        $omitted = "<Media omitted>"
    condition:
        any of ($english, $german, $spanish, $french, $portuguese) in (0..4096) or #omitted > 3
}
