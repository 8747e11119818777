//! What belongs to one workspace is nothing to another: every method there is, asked for every id and key of a stranger, and
//! answering as for one that is nowhere.
//!
//! Requests are made from the descriptors (`isolation/ask.rs`), so that a new method is asked as well.

pub(crate) mod ask;
mod plant;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use chassis::rpc::Scopes;
use futures::future::try_join_all;
use testkit::{Keys, Stage};
use tonic::Code;

use self::ask::{Answer, Asker};

/// Stands in everything that the first workspace has and the second one is never told.
const CANARY: &str = "canary";

/// Asks for all of the words at once.
async fn ask_all(
    asker: &Asker,
    path: &str,
    words: impl Iterator<Item = &str>,
) -> Result<Vec<(String, Answer)>> {
    try_join_all(words.map(async |word| Ok((word.to_owned(), asker.ask(path, word).await?)))).await
}

/// What the methods that only read say of each of these words, and of nothing at all.
async fn read_all(asker: &Asker, words: &BTreeSet<String>) -> Result<BTreeMap<(String, String), Answer>> {
    let methods = Scopes::load()?;
    let mut answers = BTreeMap::new();
    for path in methods.paths().filter(|path| methods.of(path).is_some_and(|scope| scope.ends_with(".read")))
    {
        let words = words.iter().map(String::as_str).chain([""]);
        for (word, answer) in ask_all(asker, path, words).await? {
            answers.insert((path.to_owned(), word), answer);
        }
    }
    Ok(answers)
}

/// Ids, and keys as `isolation/plant.rs` gives them: what one could guess or overhear, and ask for.
fn names(answers: &BTreeMap<(String, String), Answer>) -> BTreeSet<String> {
    // Nobody can be asked for an entry of the audit log, and what it is about others name as well.
    let telling = answers.iter().filter(|((path, _), _)| !path.contains("AuditService"));
    let texts = telling.flat_map(|(_, answer)| answer.texts.iter());
    texts.filter(|text| uuid::Uuid::parse_str(text).is_ok() || text.ends_with("_a")).cloned().collect()
}

/// Those which only the system gives: nobody has them by chance.
fn ids(names: &BTreeSet<String>) -> BTreeSet<&str> {
    names.iter().map(String::as_str).filter(|name| uuid::Uuid::parse_str(name).is_ok()).collect()
}

/// What is asked for is answered as what nobody has is answered: so nobody learns what there is elsewhere.
fn answered_alike(path: &str, word: &str, answer: &Answer, unknown: Option<&Answer>) -> Result<()> {
    let unknown = unknown.context("nobody was asked for it")?;
    let (answer, unknown) = (answer.shape(word)?, unknown.shape(&twin(word))?);
    ensure!(answer == unknown, "{path} tells `{word}` from what is nowhere: {answer:?}, {unknown:?}");
    Ok(())
}

/// A name of the same shape that nobody has.
fn twin(word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    if let Some(last) = letters.last_mut() {
        *last = if *last == '0' { '1' } else { '0' };
    }
    letters.into_iter().collect()
}

/// All services, which know the tokens of these keys.
pub(crate) async fn stage(keys: &Keys) -> Result<Stage> {
    Ok(Stage::open(tests::assembly::all(keys.settings())).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_method_gives_or_changes_what_another_workspace_has() -> Result<()> {
    let keys = Keys::new()?;
    let stage = stage(&keys).await?;
    let asker = |workspace: &str| -> Result<Asker> {
        Asker::new(&stage, &keys.token(&stage.clock, workspace, "li.wei", "*")?)
    };
    // The third one has what the second one has, and asks for what is nowhere.
    let (ours, theirs, lost) = (asker("shop-1")?, asker("shop-2")?, asker("shop-3")?);
    plant::everything(&stage, &ours).await?;
    // Names lead to names: twice is far enough.
    let mut known = names(&read_all(&ours, &BTreeSet::new()).await?);
    known.extend(names(&read_all(&ours, &known).await?));
    let before = read_all(&ours, &known).await?;
    let telling = before.iter().filter(|(_, answer)| answer.says(CANARY));
    let telling: BTreeSet<&str> = telling.map(|((path, _), _)| path.as_str()).collect();
    assert!(telling.len() >= 15, "only these methods tell their own workspace anything: {telling:?}");
    assert!(ids(&known).len() >= 6, "only these ids are found: {known:?}");

    // First what only reads: nothing that was asked for is anything of the stranger's own yet.
    let twins: BTreeSet<String> = known.iter().map(|word| twin(word)).collect();
    let unknown = read_all(&lost, &twins).await?;
    let missed = unknown.iter().filter(|(_, answer)| answer.code == Code::NotFound);
    let missed: BTreeSet<&str> = missed.map(|((path, _), _)| path.as_str()).collect();
    assert!(missed.len() >= 12, "only these methods say that there is none: {missed:?}");
    for ((path, word), answer) in read_all(&theirs, &known).await? {
        answered_alike(&path, &word, &answer, unknown.get(&(path.clone(), twin(&word))))?;
        let told =
            ids(&known).into_iter().find(|id| *id != word && answer.texts.iter().any(|text| text == id));
        assert!(told.is_none(), "{told:?} leaked: {path} asked for `{word}`: {answer:?}");
        assert!(!answer.says(CANARY), "a leak: {path} asked for `{word}`: {answer:?}");
    }
    let methods = Scopes::load()?;
    let changing: Vec<&str> = methods
        .paths()
        .filter(|path| methods.of(path).is_some_and(|scope| !scope.ends_with(".read")))
        .collect();
    for path in &changing {
        let unknown: BTreeMap<String, Answer> =
            ask_all(&lost, path, twins.iter().map(String::as_str)).await?.into_iter().collect();
        for (word, answer) in ask_all(&theirs, path, known.iter().map(String::as_str)).await? {
            answered_alike(path, &word, &answer, unknown.get(&twin(&word)))?;
            let place = format!("{path} asked for `{word}`: {answer:?}");
            assert!(!answer.says(CANARY), "a leak: {place}");
            let fault = [Code::Internal, Code::Unknown, Code::Unauthenticated, Code::PermissionDenied];
            assert!(!fault.contains(&answer.code), "{place}");
        }
    }
    stage.settled().await;
    let after = read_all(&ours, &known).await?;
    for (asked, answer) in &before {
        assert_eq!(Some(answer), after.get(asked), "{asked:?} was changed by another workspace");
    }
    // What the stranger has made of it all is its own.
    let leak = read_all(&theirs, &known).await?.into_iter().find(|(_, answer)| answer.says(CANARY));
    assert!(leak.is_none(), "a leak: {leak:?}");
    // The same requests do change their own workspace.
    for path in &changing {
        ask_all(&ours, path, known.iter().map(String::as_str)).await?;
    }
    stage.settled().await;
    ensure!(read_all(&ours, &known).await? != before, "the requests change nothing at all");
    stage.running.shutdown().await;
    Ok(())
}
