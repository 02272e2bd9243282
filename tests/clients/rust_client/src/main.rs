//! What an app in Rust does with the official client, against the app in tests/apps/features.
//!
//! Started by main.ts with the deployment's URL and the admin key. Prints a line for each check, and
//! "restart" when the server shall be killed and come back (main.ts answers with a line), and "end".

use convex::{ConvexClient, FunctionResult, Value};
use futures::StreamExt;
use std::collections::BTreeMap;
use std::future::Future;
use tokio::io::AsyncReadExt;

type Checked = Result<(), Box<dyn std::error::Error>>;
type Arguments = BTreeMap<String, Value>;

/// Ends a check unless both are equal; the client compares floats bit by bit.
fn same<T: PartialEq + std::fmt::Debug>(actual: T, expected: T) -> Checked {
    match actual == expected {
        true => Ok(()),
        false => Err(format!("{actual:?} is not {expected:?}").into()),
    }
}

fn arguments<const N: usize>(fields: [(&str, Value); N]) -> Arguments {
    fields
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect()
}

fn named(name: &str) -> Arguments {
    arguments([("name", name.into())])
}

fn addition(name: &str, amount: f64) -> Arguments {
    arguments([("name", name.into()), ("amount", amount.into())])
}

fn number(value: f64) -> FunctionResult {
    FunctionResult::Value(value.into())
}

fn new_name() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The text of the error that a call must have ended with.
fn error_text(result: FunctionResult) -> Result<String, String> {
    match result {
        FunctionResult::ErrorMessage(text) => Ok(text),
        other => Err(format!("no error but {other:?}")),
    }
}

fn contains(text: &str, part: &str) -> Checked {
    match text.contains(part) {
        true => Ok(()),
        false => Err(format!("{text:?} lacks {part:?}").into()),
    }
}

/// Asks main.ts for something and waits until it is done.
async fn ask(request: &str) -> Checked {
    println!("{request}");
    tokio::io::stdin().read_u8().await?;
    Ok(())
}

async fn check(name: &str, work: impl Future<Output = Checked>) {
    match work.await {
        Ok(()) => println!("ok {name}"),
        Err(error) => println!("FAILED {name}: {error}"),
    }
}

async fn functions(mut client: ConvexClient) -> Checked {
    let name = new_name();
    same(
        client
            .mutation("counters:add", addition(&name, 2.0))
            .await?,
        number(2.0),
    )?;
    same(
        client.query("counters:get", named(&name)).await?,
        number(2.0),
    )?;
    let both = Value::Array(vec![2.0.into(), 4.0.into()]);
    same(
        client.action("actions:addTwice", named(&name)).await?,
        FunctionResult::Value(both),
    )
}

async fn values(mut client: ConvexClient) -> Checked {
    let nested = arguments([("", 2.0.into()), ("a b", Value::Array(vec![Value::Null]))]);
    let all = vec![
        Value::Null,
        true.into(),
        i64::MIN.into(),
        i64::MAX.into(),
        0i64.into(),
        0.0.into(),
        (-0.0).into(),
        1e300.into(),
        f64::INFINITY.into(),
        f64::NEG_INFINITY.into(),
        f64::NAN.into(),
        "".into(),
        "h\u{e9} \u{1f600} \0".into(),
        Value::Bytes(vec![]),
        Value::Bytes(vec![0, 255, 128]),
        Value::Array(vec![]),
        Value::Object(BTreeMap::new()),
        Value::Object(nested),
    ];
    for value in all {
        let sent = || arguments([("value", value.clone())]);
        let expected = || FunctionResult::Value(value.clone());
        same(client.query("values:echo", sent()).await?, expected())?;
        same(client.mutation("values:store", sent()).await?, expected())?;
    }
    Ok(())
}

async fn errors(mut client: ConvexClient) -> Checked {
    let data = arguments([("code", "TooMuch".into()), ("limit", 3i64.into())]);
    match client.mutation("errors:withData", Arguments::new()).await? {
        FunctionResult::ConvexError(error) => same(error.data, Value::Object(data))?,
        other => return Err(format!("no ConvexError but {other:?}").into()),
    }
    let text = error_text(client.query("errors:plain", Arguments::new()).await?)?;
    contains(&text, "Uncaught Error: boom")?;
    let text = error_text(client.action("no:such", Arguments::new()).await?)?;
    contains(&text, "Could not find public function for 'no:such'.")?;
    let wrong = arguments([("amount", "1".into())]);
    let text = error_text(client.query("errors:validated", wrong).await?)?;
    contains(&text, "ArgumentValidationError")
}

async fn live(mut client: ConvexClient, mut other: ConvexClient) -> Checked {
    let name = new_name();
    let mut results = client.subscribe("counters:get", named(&name)).await?;
    for expected in [0.0, 1.0, 2.0] {
        same(results.next().await, Some(number(expected)))?;
        other.mutation("counters:add", addition(&name, 1.0)).await?;
    }
    Ok(())
}

/// All queries of a client in one step: the sum never lags behind its part.
async fn live_together(mut client: ConvexClient, mut other: ConvexClient) -> Checked {
    let name = new_name();
    let mut one = client.subscribe("counters:get", named(&name)).await?;
    let mut total = client.subscribe("counters:total", Arguments::new()).await?;
    let before = match (total.next().await, one.next().await) {
        (Some(FunctionResult::Value(Value::Float64(sum))), Some(zero)) if zero == number(0.0) => {
            sum
        }
        unexpected => return Err(format!("{unexpected:?}").into()),
    };
    let mut all = client.watch_all();
    for amount in 1..=5 {
        other.mutation("counters:add", addition(&name, 1.0)).await?;
        loop {
            let results = all.next().await.ok_or("the client ended")?;
            let (part, sum) = (results.get(one.id()), results.get(total.id()));
            if part != Some(&number(amount.into())) {
                continue;
            }
            same(sum, Some(&number(before + f64::from(amount))))?;
            break;
        }
    }
    Ok(())
}

async fn administrator(url: &str, key: &str) -> Checked {
    let mut client = ConvexClient::new(url).await?;
    let denied = client.query("counters:secret", Arguments::new()).await?;
    contains(&error_text(denied)?, "Could not find")?;
    client.set_admin_auth(key.into(), None).await;
    let secret = client.query("counters:secret", Arguments::new()).await?;
    same(secret, FunctionResult::Value("internal".into()))
}

async fn comes_back(url: &str) -> Checked {
    let mut client = ConvexClient::new(url).await?;
    let name = new_name();
    let mut results = client.subscribe("counters:get", named(&name)).await?;
    client
        .mutation("counters:add", addition(&name, 1.0))
        .await?;
    while results.next().await != Some(number(1.0)) {}
    ask("restart").await?;
    let mut other = ConvexClient::new(url).await?;
    same(
        other.mutation("counters:add", addition(&name, 1.0)).await?,
        number(2.0),
    )?;
    while results.next().await != Some(number(2.0)) {}
    same(
        client
            .mutation("counters:add", addition(&name, 1.0))
            .await?,
        number(3.0),
    )
}

#[tokio::main]
async fn main() -> Checked {
    let (url, key) = match &std::env::args().collect::<Vec<_>>()[..] {
        [_, url, key] => (url.clone(), key.clone()),
        _ => return Err("usage: rust_client URL ADMIN_KEY".into()),
    };
    let client = ConvexClient::new(&url).await?;
    let other = ConvexClient::new(&url).await?;
    check("queries, mutations and actions", functions(client.clone())).await;
    check("values of every type", values(client.clone())).await;
    check("errors and their data", errors(client.clone())).await;
    check("live results", live(client.clone(), other.clone())).await;
    check("all live results in one step", live_together(client, other)).await;
    check("the admin key", administrator(&url, &key)).await;
    check("a killed server", comes_back(&url)).await;
    println!("end");
    Ok(())
}
