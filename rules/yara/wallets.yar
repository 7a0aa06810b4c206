// Crypto-currency wallets. Presence is stated (role "note"); keys and seed phrases are found, never shown.

rule BitcoinWallet
{
    meta:
        description = "Wallet file of Bitcoin Core and its relatives (wallet.dat)"
        indicator = "finance.value_transfer"
        role = "note"
        weight = "0.15"
        confidence = "high"
        reference = "Bitcoin Core, wallet/walletdb.cpp"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Ordinary ownership of crypto-currency."
    strings:
        $default = "defaultkey"
        $meta = "keymeta"
        $best = "bestblock"
        $version = "minversion"
        $chain = "hdchain"
        $descriptor = "walletdescriptor"
        $main = "CREATE TABLE main(key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL)"
    condition:
        (uint32(12) == 0x00053162 and 2 of ($default, $meta, $best, $version, $chain)) or // Berkeley DB, btree
        (uint32be(0) == 0x53514C69 and $main and $descriptor)
}

rule ElectrumWallet
{
    meta:
        description = "Wallet file of Electrum, plain or encrypted"
        indicator = "finance.value_transfer"
        role = "note"
        weight = "0.15"
        confidence = "high"
        reference = "Electrum, wallet_db.py; storage.py (BIE1)"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Ordinary ownership of crypto-currency."
        secret = "yes"
    strings:
        $version = "\"seed_version\""
        $store = "\"keystore\""
        $type = "\"wallet_type\""
        $use = "\"use_encryption\""
        $encrypted = /QklFM[A-Za-z0-9+\/]{100}/
    condition:
        ($version and 2 of ($store, $type, $use)) or $encrypted at 0
}

rule ExodusWallet
{
    meta:
        description = "Encrypted wallet of Exodus (SECO container)"
        indicator = "finance.value_transfer"
        role = "note"
        weight = "0.15"
        confidence = "high"
        reference = "exodus/secure-container"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Ordinary ownership of crypto-currency."
    strings:
        $kind = "seco-v0-scrypt-aes"
    condition:
        uint32be(0) == 0x5345434F and $kind in (0..512) // "SECO"
}

rule MetaMaskVault
{
    meta:
        description = "Vault of MetaMask or a wallet built like it"
        indicator = "finance.value_transfer"
        role = "note"
        weight = "0.15"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Ordinary ownership of crypto-currency."
        secret = "yes"
    strings:
        $keyring = "KeyringController"
        $vault = "vault"
        $iv = /\\?"iv\\?":\\?"/
        $salt = /\\?"salt\\?":\\?"/
    condition:
        $keyring and $vault and $iv and $salt
}

rule WasabiWallet
{
    meta:
        description = "Wallet file of Wasabi"
        indicator = "finance.value_transfer"
        role = "note"
        weight = "0.2"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Users who value privacy of payments."
        secret = "yes"
    strings:
        $secret = "\"EncryptedSecret\""
        $chain = "\"ChainCode\""
        $keys = "\"HdPubKeys\""
    condition:
        all of them
}

rule MoneroWallet
{
    meta:
        description = "Traces of a Monero wallet"
        indicator = "finance.value_transfer"
        role = "note"
        weight = "0.2"
        confidence = "medium"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Users who value privacy of payments."
    strings:
        $cli = "monero-wallet-cli" ascii wide
        $rpc = "monero-wallet-rpc" ascii wide
        $gui = "monero-wallet-gui" ascii wide
        $path = "account_pathname"
        $height = "restoreHeight"
        $daemon = "daemon_address"
        $local = "localMonero"
    condition:
        filesize < 64MB and any of ($cli, $rpc, $gui) and any of ($path, $height, $daemon, $local)
}

rule LedgerLive
{
    meta:
        description = "Account list of Ledger Live"
        indicator = "finance.value_transfer"
        role = "note"
        weight = "0.15"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Ordinary ownership of crypto-currency."
    strings:
        $onboarding = "\"hasCompletedOnboarding\""
        $seed = "\"seedIdentifier\""
        $fresh = "\"freshAddress\""
        $accounts = "\"accounts\""
    condition:
        $accounts and 2 of ($onboarding, $seed, $fresh)
}

rule EthereumKeyStore
{
    meta:
        description = "Encrypted key file of Ethereum (keystore version 3)"
        indicator = "finance.value_transfer"
        role = "note"
        weight = "0.15"
        confidence = "high"
        reference = "Web3 Secret Storage Definition"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Ordinary ownership of crypto-currency."
        secret = "yes"
    strings:
        $cipher = "\"ciphertext\""
        $params = "\"kdfparams\""
        $mac = "\"mac\""
        $crypto = "\"crypto\"" nocase
    condition:
        filesize < 64KB and all of them
}

rule BrowserWalletExtension
{
    meta:
        description = "Browser extension of a wallet (MetaMask, TronLink, Phantom, Trust and others)"
        indicator = "finance.value_transfer"
        role = "note"
        weight = "0.15"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Ordinary ownership of crypto-currency."
    strings:
        $metamask = "nkbihfbeogaeaoehlefnkodbefgpgknn" ascii wide
        $tronlink = "ibnejdfjmmkpcnlpebklmnkoeoihofec" ascii wide
        $phantom = "bfnaelmomeimhlpmgjnjophhpkkoljpa" ascii wide
        $trust = "egjidjbpglichdcondbcbdnbeeppgdph" ascii wide
        $coinbase = "hnfanknocfeofbddgcijnmhnfnkdnaad" ascii wide
        $binance = "fhbohimaelbohpjbbldcngcnapndodjp" ascii wide
        $okx = "mcohilncbfahbmgdjkbpemcciiolgcge" ascii wide
    condition:
        any of them
}

rule TronTransfers
{
    meta:
        description = "Transfers or contract of USDT on TRON"
        indicator = "finance.value_transfer"
        role = "note"
        weight = "0.2"
        confidence = "high"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Remittance in countries with weak currencies."
    strings:
        $contract = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t" ascii wide
        $scan = "tronscan.org/#/transaction" ascii wide
        $grid = "api.trongrid.io" ascii wide
    condition:
        any of them
}

rule SeedPhrase
{
    meta:
        description = "Label of a seed phrase followed by twelve words; the words are not shown"
        indicator = "finance.value_transfer"
        role = "note"
        weight = "0.3"
        confidence = "medium"
        version = "1.0.0"
        author = "triage project"
        licence = "Apache-2.0"
        innocent = "Owners write their seed phrase down, as wallets advise."
        secret = "yes"
    strings:
        $label = /(seed|recovery|secret|backup) (phrase|words)/ ascii wide nocase
        $phrase = /(seed|recovery|secret|backup) (phrase|words)[^a-z]{1,24}([a-z]{3,8}[ ,;.\r\n\t0-9)]{1,6}){11}[a-z]{3,8}/ nocase private
    condition:
        $label and $phrase
}
