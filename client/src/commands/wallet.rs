//! `mica wallet new|import|list|balance|transfer`.

use std::io::Read;
use std::path::Path;

use mica_chain::{AccountId, Call, Signer, Until, amount};
use mica_primitives::Balance;
use serde::Serialize;
use zeroize::Zeroizing;

use super::Context;
use crate::{
    cli::WalletCommand,
    error::CommandError,
    files,
    output::table,
    wallet::{Secret, WordCount},
};

/// Most bytes of a phrase.
const MAX_PHRASE_BYTES: u64 = 1024;

/// Runs `mica wallet …`.
///
/// # Errors
/// [`CommandError`]; a failed command has changed nothing.
pub async fn run(context: &Context, command: WalletCommand) -> Result<(), CommandError> {
    match command {
        WalletCommand::New { words } => new(context, if words == "24" { WordCount::TwentyFour } else { WordCount::Twelve }),
        WalletCommand::Import { phrase_file } => import(context, phrase_file.as_deref()),
        WalletCommand::List => list(context),
        WalletCommand::Balance { account } => balance(context, account).await,
        WalletCommand::Transfer { to, amount, dev_account } => transfer(context, to, amount, dev_account.as_deref()).await,
    }
}

#[derive(Serialize)]
struct Made {
    wallet: String,
    address: String,
    channel_signer: String,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phrase: Option<String>,
}

fn new(context: &Context, words: WordCount) -> Result<(), CommandError> {
    let secret = Secret::generate(words)?;
    // Shown once, on purpose; it is not kept.
    let phrase = secret.phrase()?.as_str().to_owned();
    let made = Made { phrase: Some(phrase), ..create(context, &secret)? };
    Ok(context.output.show(&made, |made| {
        format!(
            "wallet   {}\naddress  {}\nfile     {}\n\nWrite these words on paper. Who has them has the money, and nothing else brings it back:\n\n  {}\n",
            made.wallet,
            made.address,
            made.file,
            made.phrase.as_deref().unwrap_or_default()
        )
    })?)
}

fn import(context: &Context, phrase_file: Option<&Path>) -> Result<(), CommandError> {
    context.keystore().check_free(&context.global.wallet)?;
    let bytes = Zeroizing::new(match phrase_file {
        Some(path) => files::read_bounded(path, MAX_PHRASE_BYTES)?,
        None => read_phrase(context)?,
    });
    let secret = Secret::from_phrase(&String::from_utf8_lossy(&bytes))?;
    let made = create(context, &secret)?;
    Ok(context
        .output
        .show(&made, |made| format!("wallet   {}\naddress  {}\nfile     {}\n", made.wallet, made.address, made.file))?)
}

/// One line from standard input.
fn read_phrase(context: &Context) -> Result<Vec<u8>, CommandError> {
    context.progress.note("Type the words of the phrase, with spaces between them, and press Enter:");
    let mut phrase = Vec::new();
    for byte in std::io::stdin().lock().take(MAX_PHRASE_BYTES).bytes() {
        match byte.map_err(CommandError::Input)? {
            b'\n' => break,
            byte => phrase.push(byte),
        }
    }
    Ok(phrase)
}

fn create(context: &Context, secret: &Secret) -> Result<Made, CommandError> {
    let wallet = context.global.wallet.clone();
    let keystore = context.keystore();
    keystore.check_free(&wallet)?;
    let password = context.passwords().new_wallet(&wallet)?;
    context.home.create()?;
    let file = keystore.create(&wallet, secret, &password)?;
    let path = context.home.wallets().join(format!("{wallet}.json"));
    Ok(Made { wallet, address: file.address, channel_signer: file.channel_signer, file: path.display().to_string(), phrase: None })
}

#[derive(Serialize)]
struct Listed {
    wallet: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn list(context: &Context) -> Result<(), CommandError> {
    let wallets = context.keystore().list()?.into_iter().map(|(wallet, file)| match file {
        Ok(file) => Listed { wallet, address: Some(file.address), error: None },
        Err(error) => Listed { wallet, address: None, error: Some(error.to_string()) },
    });
    Ok(context.output.show(&wallets.collect::<Vec<_>>(), |wallets| {
        if wallets.is_empty() {
            return "no wallets yet: make one with `mica wallet new`".into();
        }
        let cell = |listed: &Listed| listed.address.clone().or_else(|| listed.error.clone()).unwrap_or_default();
        table(&["WALLET", "ADDRESS"], &wallets.iter().map(|listed| vec![listed.wallet.clone(), cell(listed)]).collect::<Vec<_>>())
    })?)
}

#[derive(Serialize)]
struct Money {
    account: String,
    free: Balance,
    held: Balance,
    total: Balance,
    block: u32,
}

async fn balance(context: &Context, account: Option<AccountId>) -> Result<(), CommandError> {
    let account = match account {
        Some(account) => account,
        None => {
            let address = context.keystore().read(&context.global.wallet)?.address;
            address.parse().map_err(|_| CommandError::Address(address))?
        }
    };
    let view = context.chain().await?.at_best().await?;
    let found = view.account(account).await?;
    let money =
        Money { account: account.to_string(), free: found.free, held: found.held, total: found.total(), block: view.number() };
    Ok(context.output.show(&money, |money| {
        format!(
            "account  {}\nfree     {}\non hold  {}\nblock    {}\n",
            money.account,
            amount::format(money.free),
            amount::format(money.held),
            money.block
        )
    })?)
}

#[derive(Serialize)]
struct Sent {
    from: String,
    to: String,
    amount: Balance,
    fee: Balance,
    block: u32,
    extrinsic: String,
}

async fn transfer(context: &Context, to: AccountId, amount: Balance, dev_account: Option<&str>) -> Result<(), CommandError> {
    if amount == 0 {
        return Err(CommandError::NothingToSend);
    }
    let signer = match dev_account {
        Some(name) => Signer::from_suri(&format!("//{name}")).map_err(|error| CommandError::Usage(error.to_string()))?,
        None => context.unlock()?.1,
    };
    let chain = context.chain().await?;
    let call = Call::Transfer { to, amount };
    let free = chain.at_best().await?.account(signer.account()).await?.free;
    let fee = chain.estimate_fee(&signer, &call).await?;
    let need = amount.saturating_add(fee);
    if free < need {
        return Err(CommandError::NoFunds { account: signer.account().to_string(), free, need });
    }
    let step = context.progress.step("sending");
    let submitted = chain.submit(&signer, call, Until::Finalized).await?;
    step.done(&format!("final in block {}", submitted.block.number));
    let sent = Sent {
        from: signer.account().to_string(),
        to: to.to_string(),
        amount,
        fee: submitted.fee,
        block: submitted.block.number,
        extrinsic: format!("0x{}", hex::encode(submitted.extrinsic)),
    };
    Ok(context.output.show(&sent, |sent| {
        format!("sent {} to {} (fee {}, block {})", amount::format(sent.amount), sent.to, amount::format(sent.fee), sent.block)
    })?)
}
