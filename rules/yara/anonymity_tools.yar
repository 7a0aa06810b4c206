// Anonymity networks, virtual private networks, wiping tools and tools for many accounts. Presence is stated (role
// "note"): victims, journalists and offices use most of these too.

rule TorConfiguration
{
    meta:
        description = "Configuration file of Tor (torrc)"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.2"
        confidence = "high"
        reference = "tor(1) manual page"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Privacy-minded users, journalists, and victims who hide from an abuser."
    strings:
        $socks = /\n[ \t]{0,8}SocksPort[ \t]/ nocase
        $control = /\n[ \t]{0,8}ControlPort[ \t]/ nocase
        $data = /\n[ \t]{0,8}DataDirectory[ \t]/ nocase
        $bridge = /\n[ \t]{0,8}UseBridges[ \t]/ nocase
        $service = /\n[ \t]{0,8}HiddenServiceDir[ \t]/ nocase
        $geoip = /\n[ \t]{0,8}GeoIPFile[ \t]/ nocase
    condition:
        filesize < 256KB and 2 of them
}

rule TorBrowserProfile
{
    meta:
        description = "Profile or state of Tor Browser"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.2"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Privacy-minded users, journalists, and victims who hide from an abuser."
    strings:
        $launcher = "user_pref(\"extensions.torlauncher."
        $button = "user_pref(\"extensions.torbutton."
        $browser = "user_pref(\"torbrowser."
        $state = "# Tor state file last generated on "
    condition:
        filesize < 4MB and ($state at 0 or any of ($launcher, $button, $browser))
}

rule OnionServiceKey
{
    meta:
        description = "Private key of an onion service: something was offered over Tor from here"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.35"
        confidence = "high"
        reference = "Tor rendezvous specification, version 3"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Home servers and newsrooms run onion services."
        secret = "yes"
    condition:
        filesize < 1KB and uint32be(0) == 0x3D3D2065 and uint32be(4) == 0x64323535 and uint32be(8) == 0x31397631 and // "== ed25519v1"
        uint32be(12) == 0x2D736563 // "-sec"
}

rule TailsSystem
{
    meta:
        description = "Traces of the Tails operating system"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.25"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Privacy-minded users, journalists, and victims who hide from an abuser."
    strings:
        $product = "TAILS_PRODUCT_NAME"
        $persistent = "TailsData_unlocked"
        $setup = "tails-persistent-storage"
        $greeter = "tails-greeter"
        $id = "ID=\"tails\""
    condition:
        2 of them
}

rule OpenVpnProfile
{
    meta:
        description = "OpenVPN profile"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.1"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Office and university networks."
    strings:
        $remote = /\nremote [A-Za-z0-9.:-]{4,80} [0-9]{2,5}/
        $tun = /\ndev (tun|tap)/
        $client = /\nclient[\r\n]/
        $auth = "auth-user-pass"
        $ca = "<ca>"
        $tls = "remote-cert-tls"
    condition:
        filesize < 1MB and $remote and 2 of ($tun, $client, $auth, $ca, $tls)
}

rule WireGuardProfile
{
    meta:
        description = "WireGuard profile; keys are not shown"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.1"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Office networks and home routers."
        secret = "yes"
    strings:
        $interface = "[Interface]"
        $peer = "[Peer]"
        $private = "PrivateKey" private
        $allowed = "AllowedIPs"
    condition:
        filesize < 256KB and all of them
}

rule ProxyChains
{
    meta:
        description = "Configuration of ProxyChains"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.2"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Administrators and security researchers."
    strings:
        $list = "[ProxyList]"
        $chain1 = "dynamic_chain"
        $chain2 = "strict_chain"
        $chain3 = "random_chain"
        $dns = "proxy_dns"
    condition:
        filesize < 64KB and $list and 2 of ($chain*, $dns)
}

rule BleachBitSettings
{
    meta:
        description = "Settings of BleachBit (deletion software)"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.2"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Ordinary cleaning of a full disk."
    strings:
        $own = "[bleachbit]"
        $tree = "[tree]"
        $shred = "shred = "
        $confirm = "delete_confirmation = "
        $beta = "check_online_updates = "
    condition:
        filesize < 256KB and $own and 2 of ($tree, $shred, $confirm, $beta)
}

rule CCleanerSettings
{
    meta:
        description = "Settings of CCleaner"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.1"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Very common on private computers."
    strings:
        $options = "[Options]" ascii wide
        $app = "(App)" ascii wide
        $cfg = "(Cfg)" ascii wide
        $name = "CCleaner" ascii wide nocase
    condition:
        filesize < 256KB and $options and $name and any of ($app, $cfg)
}

rule WipingTool
{
    meta:
        description = "Registry or settings of a wiping tool (SDelete, Eraser, PrivaZer)"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.25"
        confidence = "medium"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Administrators wipe disks before disposal."
    strings:
        $sdelete = "Sysinternals\\SDelete" ascii wide nocase
        $eraser = "Heidi Computers\\Eraser" ascii wide nocase
        $privazer = "Software\\PrivaZer" ascii wide nocase
        $cipher = "cipher /w:" ascii wide nocase
    condition:
        any of them
}

rule AccountFleetTool
{
    meta:
        description = "Tool for many accounts, cloned apps or browser identities"
        indicator = "anon.tooling"
        role = "note"
        weight = "0.25"
        confidence = "medium"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Advertising agencies, testers, people with a private and a work account."
    strings:
        $ads = "adspower_global" ascii wide nocase
        $multi = "multiloginapp" ascii wide nocase
        $go = "gologin.com" ascii wide nocase
        $dolphin = "dolphin_anty" ascii wide nocase
        $incog = "incogniton" ascii wide nocase
        $parallel = "com.lbe.parallel" ascii wide
        $dual = "com.ludashi.dualspace" ascii wide
        $multiacc = "com.excelliance.multiaccounts" ascii wide
        $virtual = "com.lody.virtual" ascii wide
        $ld = "leidian.config" ascii wide
    condition:
        any of them
}
