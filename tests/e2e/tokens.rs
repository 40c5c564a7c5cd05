//! Tokens and certificates that do not hold, by every method of the running service (security, 4): each is refused in the
//! same bytes, nothing is written, nothing is fetched, and the log knows why.

use handoff_server::config::Alg;
use handoff_tests::certified::{self, machine, thumbprint};
use handoff_tests::matrix::line::Line;
use handoff_tests::matrix::methods::method;
use handoff_tests::play::id;
use handoff_tests::tokens::bindings::{ALONE, BINDINGS, Bound};
use handoff_tests::tokens::target::{Target, issued, requests, signer};
use handoff_tests::tokens::vectors::{Vector, brought, ignored, vectors};
use handoff_tests::tokens::volley::{Found, Shot, counted, volley};
use std::net::TcpListener;
use tonic::Code;

/// Fewer than this and something was lost (security, 4: the 54 token vectors).
const VECTORS_MIN: usize = 54;

/// Something that would notice if anybody fetched a key from where a token says it lies.
fn lure() -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = format!("https://{}/jwks", listener.local_addr()?);
    Ok((listener, address))
}

/// Nobody has come.
fn assert_untouched(listener: &TcpListener) {
    let came = listener.accept().map(|(_, from)| from);
    assert_eq!(came.err().map(|error| error.kind()), Some(std::io::ErrorKind::WouldBlock), "somebody fetched a key");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_of_the_corpus_holds_for_any_method() -> anyhow::Result<()> {
    let target = Target::start().await?;
    let (listener, address) = lure()?;
    let all = [vectors(&target.issuers), brought(&target.issuers.a, &address)].concat();
    assert!(all.len() >= VECTORS_MIN, "{} vectors", all.len());
    let shot = |vector: Vector| Shot { name: vector.name, values: vector.values, denied: Some(vector.denied) };
    let shots: Vec<Shot> = all.into_iter().map(shot).collect();
    let before = target.app.events().await?;
    let mut found = Found::default();
    // What is beyond the transport's own limit ends its connection, and so whatever else is under way on it.
    let (ours, beyond): (Vec<Shot>, Vec<Shot>) = shots.iter().cloned().partition(Shot::arrives);
    assert_eq!(beyond.len(), 1, "all but one arrive");
    for shots in [&beyond, &ours] {
        volley(&Line::to(&target.app)?, shots, &target.requests, &mut found).await;
    }
    assert!(found.faults.is_empty(), "{} faults:\n  {}", found.faults.len(), found.faults.join("\n  "));
    assert_eq!(
        found.tried,
        (shots.len() * handoff_proto::methods().len()) as u64,
        "no method and no vector is left out"
    );
    assert_eq!(found.said.len(), 1, "every one is told the same, byte for byte: {:?}", found.said);
    assert_eq!(target.app.events().await?, before, "nothing was written");
    assert_eq!(counted(&target.app).await?, found.expected(), "each is counted under its own reason, and recorded");
    assert_untouched(&listener);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_token_says_its_key_lies_is_never_asked() -> anyhow::Result<()> {
    let target = Target::start().await?;
    let (listener, address) = lure()?;
    let line = Line::to(&target.app)?;
    for (path, bytes) in &target.requests {
        let (_, name) = path.split_once('/').expect("a method of a service");
        // What changes something would be another request the second time.
        if !method(name).is_some_and(|method| method.reads) {
            continue;
        }
        let good = line.call(path, Some(&target.issuers.a.good()), bytes.clone()).await;
        assert_ne!(good.code, Code::Unauthenticated, "{path}: the good token holds");
        for (member, token) in ignored(&target.issuers.a, &address) {
            let answer = line.call(path, Some(&token), bytes.clone()).await;
            assert_eq!((answer.code, answer.reason()), (good.code, good.reason()), "{path} with {member}");
        }
    }
    assert_untouched(&listener);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_holds_over_another_certificate_for_any_method() -> anyhow::Result<()> {
    let app = certified::start().await?;
    let requests = requests(&certified::receive(&app).await?, &id())?;
    let issuer = |org| format!("https://issuer.dev.invalid/{org}");
    let a = signer(&app, "A", Alg::EdDsa, Some("A-01"), &issuer("A"))?;
    let b = signer(&app, "B", Alg::EdDsa, Some("B-07"), &issuer("B"))?;
    let (events, before) = (app.events().await?, counted(&app).await?);
    let mut found = Found::default();
    for binding in BINDINGS {
        let cnf = match binding.bound {
            Bound::To(machine) => {
                let thumbprint = handoff_domain::values::b64url(&thumbprint(&app, machine)?);
                format!(r#""cnf":{{"x5t#S256":"{thumbprint}"}},"#)
            }
            Bound::As(claim) => format!(r#""cnf":{claim},"#),
            Bound::ToNothing => String::new(),
        };
        let client = binding.client.map(|client| format!(r#""client":"{client}","#)).unwrap_or_default();
        let signer = if binding.of == "A" { &a } else { &b };
        let token = signer.with(r#""jti""#, &format!(r#"{client}{cnf}"jti""#));
        let line = match binding.over {
            Some(name) => Line::of_machine(&app, &machine(&app, name)?)?,
            None => Line::to(&app)?,
        };
        let denied = binding.over.map(|_| binding.denied);
        let shot = Shot { name: binding.name.to_owned(), values: vec![format!("Bearer {token}")], denied };
        volley(&line, &[shot], &requests, &mut found).await;
    }
    assert!(found.faults.is_empty(), "{} faults:\n  {}", found.faults.len(), found.faults.join("\n  "));
    assert_eq!(found.tried, (BINDINGS.len() * handoff_proto::methods().len()) as u64);
    assert_eq!(found.said.len(), 1, "every one is told the same, byte for byte: {:?}", found.said);
    assert_eq!(app.events().await?, events, "nothing was written");
    assert!(before.is_empty(), "{before:?}");
    assert_eq!(counted(&app).await?, found.expected(), "each is counted under its own reason, and recorded");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_certificate_that_leads_nowhere_reaches_a_method() -> anyhow::Result<()> {
    let app = certified::start().await?;
    let mut requests = requests(&certified::receive(&app).await?, &id())?;
    let ours = requests.len();
    // Whoever is nobody's machine asks neither how the service is nor what it can do.
    requests.push(("/grpc.health.v1.Health/Check".to_owned(), Vec::new()));
    let (events, mut found) = (app.events().await?, Found::default());
    for alone in ALONE {
        let line = Line::of_machine(&app, &issued(&app, alone)?)?;
        let denied = (!alone.at_the_handshake).then_some(alone.denied);
        let shot = Shot { name: alone.name.to_owned(), values: Vec::new(), denied };
        // A registered machine that speaks for nobody is somebody to the health service.
        let of_health = usize::from(alone.denied != "missing");
        volley(&line, &[shot], &requests[..ours + of_health], &mut found).await;
    }
    assert!(found.faults.is_empty(), "{} faults:\n  {}", found.faults.len(), found.faults.join("\n  "));
    assert!(found.tried >= (ALONE.len() * ours) as u64, "{}", found.tried);
    assert_eq!(found.said.len(), 1, "every one is told the same, byte for byte: {:?}", found.said);
    assert_eq!(app.events().await?, events, "nothing was written");
    Ok(())
}
