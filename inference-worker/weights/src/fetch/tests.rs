//! Fetches from peers over pipes and from a real HTTP server, honest ones and others.

use super::*;
use crate::{
    serve::{
        Shelf,
        tests::{Character, PipePeer, full_shelf, tiny},
    },
    source::{
        Opened,
        tests::{Server, archive},
    },
    whole::read_whole,
};
use mica_engine::{GgufFile, Input, LayerRange, Model, Threads, Want, embedded};
use tempfile::TempDir;
use tokio::time::timeout;

struct World {
    folder: TempDir,
    shelf: Shelf,
    id: ModelId,
}

impl World {
    fn new() -> Self {
        let (shelf, id) = full_shelf();
        Self { folder: tempfile::tempdir().expect("a folder"), shelf, id }
    }

    fn store(&self) -> Store {
        Store::new(self.folder.path().join("models"), None)
    }

    fn peer(&self, name: &'static str, character: Character) -> Arc<PipePeer> {
        Arc::new(PipePeer::new(name, &self.shelf, character))
    }

    async fn held(&self) -> Arc<Held> {
        let peers = peers(&[&self.peer("first", Character::Honest)]);
        let held = describe(&self.store(), self.id, &peers, |_| {}).await;
        Arc::new(held.expect("the head comes"))
    }

    async fn fetch(
        &self,
        held: &Arc<Held>,
        range: LayerRange,
        peers: &[Arc<dyn Peer>],
        places: &[Spec],
    ) -> Result<Fetched, FetchError> {
        let wanted = held.file().tensors_of(range).expect("layers");
        fetch(&self.store(), held, &wanted, peers, places, &|_| {}).await
    }
}

fn peers(peers: &[&Arc<PipePeer>]) -> Vec<Arc<dyn Peer>> {
    peers.iter().map(|&peer| peer.clone() as Arc<dyn Peer>).collect()
}

const MIDDLE: LayerRange = LayerRange { first: 2, end: 5 };
const ALL: LayerRange = LayerRange { first: 0, end: 8 };

fn bytes_of(held: &Held, range: LayerRange) -> u64 {
    let tensors = held.file().tensors_of(range).expect("layers");
    tensors.iter().map(|&tensor| held.index().tensors[tensor].bytes).sum()
}

/// The layers compute what those of the original do.
fn check(held: &Held, range: LayerRange) {
    let compute = |file: &GgufFile| {
        let model = Model::load(file, range, Threads::new(1)).expect("it loads");
        let mut cache = model.new_cache(8).expect("a cache");
        let rows = vec![0.25; 256];
        let input = if range.first == 0 { Input::Tokens(&[1]) } else { Input::Hidden(&rows) };
        model.forward(&mut cache, input, Want::LastLogits).expect("it computes")
    };
    assert_eq!(compute(held.file()), compute(&tiny()));
}

#[tokio::test]
async fn layers_come_from_several_peers_and_cost_little_more_than_they_are() {
    let world = World::new();
    let held = world.held().await;
    let (a, b) = (world.peer("a", Character::Honest), world.peer("b", Character::Honest));
    let fetched = world.fetch(&held, MIDDLE, &peers(&[&a, &b]), &[]).await.expect("fetched");
    let bytes = bytes_of(&held, MIDDLE);
    assert_eq!(fetched.bytes, bytes);
    assert!(fetched.received * 10 <= bytes * 11, "{} received for {bytes}", fetched.received);
    assert!(held.bytes_on_disk().expect("it reads") * 10 <= (bytes + 80_000) * 11);
    let pieces = |peer: &PipePeer| peer.pieces.load(Ordering::SeqCst);
    assert!(pieces(&a) > 0 && pieces(&b) > 0, "{} and {}", pieces(&a), pieces(&b));
    assert_eq!(pieces(&a) + pieces(&b), 3 * 9, "no piece came twice");
    check(&held, MIDDLE);
    assert_eq!(fetched.liars, Vec::<String>::new());
    let again = world.fetch(&held, MIDDLE, &[], &[]).await.expect("nothing is missing");
    assert_eq!(again, Fetched::default());
    // A move fetches what is new.
    let moved = LayerRange { first: 3, end: 6 };
    let fetched = world.fetch(&held, moved, &peers(&[&a]), &[]).await.expect("fetched");
    assert_eq!(fetched.bytes, bytes / 3);
    check(&held, moved);
}

#[tokio::test]
async fn a_peer_that_sends_wrong_bytes_is_dropped_and_the_others_go_on() {
    for after in [0, 3] {
        let world = World::new();
        let held = world.held().await;
        let (liar, honest) =
            (world.peer("liar", Character::LiesAfter(after)), world.peer("b", Character::Honest));
        let both = peers(&[&liar, &honest]);
        let fetched = world.fetch(&held, ALL, &both, &[]).await.expect("fetched");
        assert_eq!(fetched.liars, ["liar"]);
        assert_eq!(liar.lies_told.load(Ordering::SeqCst), 1);
        assert_eq!(honest.lies_told.load(Ordering::SeqCst), 0);
        check(&held, ALL);
        assert_eq!(held.verify(|_| {}).expect("it reads"), Vec::<usize>::new());
    }
}

#[tokio::test]
async fn with_liars_alone_nothing_wrong_is_kept_and_each_is_named() {
    let world = World::new();
    let held = world.held().await;
    let (a, b) = (world.peer("a", Character::LiesAfter(2)), world.peer("b", Character::Confused));
    let error = world.fetch(&held, MIDDLE, &peers(&[&a, &b]), &[]).await.expect_err("liars");
    let text = error.to_string();
    assert!(text.contains("a: it sent wrong bytes") && text.contains("b: it sent"), "{text}");
    assert_eq!(held.verify(|_| {}).expect("it reads"), Vec::<usize>::new());
    assert!(held.held().0 <= 2, "what it sent before it lied may stay");
    let honest = world.peer("c", Character::Honest);
    world.fetch(&held, MIDDLE, &peers(&[&honest]), &[]).await.expect("fetched");
    check(&held, MIDDLE);
}

#[tokio::test]
async fn peers_that_hang_up_are_tried_again() {
    let world = World::new();
    let held = world.held().await;
    let (a, b) =
        (world.peer("a", Character::BreaksAfter(5)), world.peer("b", Character::BreaksAfter(9)));
    let both = peers(&[&a, &b]);
    let fetched = world.fetch(&held, MIDDLE, &both, &[]).await.expect("fetched");
    assert_eq!(fetched.bytes, bytes_of(&held, MIDDLE));
    check(&held, MIDDLE);
}

#[tokio::test]
async fn whoever_is_silent_is_not_waited_for_when_everything_is_here() {
    let world = World::new();
    let held = world.held().await;
    let (silent, honest) =
        (world.peer("silent", Character::Silent), world.peer("b", Character::Honest));
    let both = peers(&[&silent, &honest]);
    // A reply may take 30 s.
    let fetching = timeout(Duration::from_secs(20), world.fetch(&held, ALL, &both, &[]));
    let fetched = fetching.await.expect("in time").expect("fetched");
    assert_eq!(fetched.bytes, bytes_of(&held, ALL));
    assert!(fetched.received >= fetched.bytes, "{fetched:?}");
    check(&held, ALL);
}

#[tokio::test]
async fn a_tensor_of_which_all_pieces_were_there_at_a_kill_gets_its_name() {
    let world = World::new();
    let held = world.held().await;
    let tensor = held.file().tensors_of(MIDDLE).expect("layers")[0];
    let bytes = tiny().tensors().nth(tensor).expect("a tensor").read().expect("it reads");
    for piece in held.missing_pieces(tensor) {
        let (start, length) = crate::tree::span(bytes.len() as u64, piece);
        let piece_bytes = &bytes[start as usize..][..length];
        held.put(tensor, piece, piece_bytes).expect("written");
    }
    assert!(!held.is_whole(tensor) && held.missing_pieces(tensor).is_empty());
    let honest = world.peer("a", Character::Honest);
    let fetched = world.fetch(&held, MIDDLE, &peers(&[&honest]), &[]).await.expect("fetched");
    assert_eq!(fetched.bytes, bytes_of(&held, MIDDLE) - bytes.len() as u64);
    check(&held, MIDDLE);
}

#[tokio::test]
async fn each_peer_is_asked_for_what_it_has() {
    let world = World::new();
    let mut partial = Vec::new();
    for (name, range) in [("a", (0, 4)), ("b", (4, 8))] {
        let range = LayerRange { first: range.0, end: range.1 };
        let other = World::new();
        let held = other.held().await;
        let all = peers(&[&other.peer("all", Character::Honest)]);
        other.fetch(&held, range, &all, &[]).await.expect("fetched");
        let shelf = Shelf::default();
        shelf.put(&held);
        partial.push((other, Arc::new(PipePeer::new(name, &shelf, Character::Honest))));
    }
    let held = world.held().await;
    let [a, b] = [&partial[0].1, &partial[1].1];
    world.fetch(&held, ALL, &peers(&[a, b]), &[]).await.expect("fetched");
    check(&held, ALL);
    let alone = World::new();
    let held = alone.held().await;
    let error = alone.fetch(&held, ALL, &peers(&[a]), &[]).await.expect_err("half is missing");
    assert!(error.to_string().contains("a: it has no more of them"), "{error}");
    assert_eq!(held.layers(), [LayerRange { first: 0, end: 4 }], "half is there");
}

#[tokio::test]
async fn a_fetch_that_is_cut_off_goes_on_where_it_was() {
    let world = World::new();
    let held = world.held().await;
    let mut pieces = 0;
    for after in [1, 7, 20, 40] {
        let first = world.peer("a", Character::BreaksAfter(after));
        let both = peers(&[&first]);
        // Dropped in the middle, as when the process ends.
        let wanted = held.file().tensors_of(ALL).expect("layers");
        let store = world.store();
        let fetching = fetch(&store, &held, &wanted, &both, &[], &|_| {});
        let waiting = async {
            while first.pieces.load(Ordering::SeqCst) < after {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { _ = fetching => {}, () = waiting => {} }
        pieces += first.pieces.load(Ordering::SeqCst);
    }
    let again = Arc::new(world.store().model(world.id).expect("it reads").expect("it is there"));
    let rest = world.peer("b", Character::Honest);
    world.fetch(&again, ALL, &peers(&[&rest]), &[]).await.expect("fetched");
    check(&again, ALL);
    pieces += rest.pieces.load(Ordering::SeqCst);
    let needed = again.index().tensors.iter().map(|blob| crate::tree::pieces(blob.bytes) as usize);
    let needed: usize = needed.sum();
    // What was under way at each cut came twice at most.
    assert!(pieces <= needed + 4 * (WINDOW + 2), "{pieces} pieces for {needed}");
}

#[tokio::test]
async fn a_peer_that_has_lost_a_tensor_gives_the_others() {
    let other = World::new();
    let held = other.held().await;
    let all = peers(&[&other.peer("all", Character::Honest)]);
    other.fetch(&held, MIDDLE, &all, &[]).await.expect("fetched");
    let lost = held.file().tensors_of(MIDDLE).expect("layers")[4];
    std::fs::remove_file(held.folder().join(format!("{lost:05}"))).expect("removed");
    let shelf = Shelf::default();
    shelf.put(&held);
    let peer = Arc::new(PipePeer::new("a", &shelf, Character::Honest));
    let world = World::new();
    let held = world.held().await;
    let error = world.fetch(&held, MIDDLE, &peers(&[&peer]), &[]).await.expect_err("one is lost");
    assert!(error.to_string().starts_with("1 tensors"), "{error}");
    assert!(!held.is_whole(lost));
}

#[tokio::test]
async fn heads_come_from_whoever_tells_the_truth() {
    let world = World::new();
    let [empty, other, confused, honest] =
        [Character::Empty, Character::OtherIndex, Character::Confused, Character::Honest]
            .map(|character| world.peer("peer", character));
    let all = peers(&[&empty, &other, &confused, &honest]);
    let held = describe(&world.store(), world.id, &all, |_| {}).await.expect("a head");
    assert_eq!(held.manifest().id(), world.id);
    let lies = |peer: &PipePeer| peer.lies_told.load(Ordering::SeqCst);
    assert_eq!([&empty, &other, &confused, &honest].map(|peer| lies(peer)), [0, 1, 1, 0]);
    let nobody = describe(&World::new().store(), world.id, &peers(&[&empty]), |_| {}).await;
    let text = nobody.expect_err("nobody has it").to_string();
    assert!(text.contains("does not hold this model"), "{text}");
    let none = describe(&World::new().store(), world.id, &[], |_| {}).await;
    assert!(matches!(none, Err(FetchError::NoSource)));
}

#[tokio::test]
async fn a_server_gives_only_the_layers_that_are_wanted() {
    let world = World::new();
    let held = world.held().await;
    let server = Server::start(&[("/tiny.gguf", embedded::TINY_Q8_0.to_vec())]).await;
    let places = [server.spec("/tiny.gguf")];
    let fetched = world.fetch(&held, MIDDLE, &[], &places).await.expect("fetched");
    let bytes = bytes_of(&held, MIDDLE);
    assert_eq!((fetched.bytes, fetched.received), (bytes, bytes));
    check(&held, MIDDLE);
    let requests = server.manners.requests.lock().expect("unpoisoned").len();
    assert!(requests <= 4, "{requests} requests: size, header, one run of layers");
}

#[tokio::test]
async fn servers_without_parts_archives_and_broken_connections_give_the_same() {
    let world = World::new();
    let file = embedded::TINY_Q8_0.to_vec();
    let packed = archive("m/tiny.gguf", &file, true);
    let stored = archive("m/tiny.gguf", &file, false);
    let server = Server::start(&[("/a.gguf", file), ("/a.whl", packed), ("/a.zip", stored)]).await;
    for path in ["/a.gguf", "/a.whl!/m/tiny.gguf", "/a.zip!/m/tiny.gguf"] {
        for is_whole in [false, true] {
            if is_whole && path != "/a.gguf" {
                continue; // An archive's directory is at its end.
            }
            server.manners.is_whole.store(is_whole, Ordering::SeqCst);
            server.manners.breaks_after.store(1_500_000, Ordering::SeqCst);
            server.manners.breaks.store(4, Ordering::SeqCst);
            let other = World::new();
            let held = other.held().await;
            let places = [server.spec(path)];
            let fetched = other.fetch(&held, MIDDLE, &[], &places).await;
            fetched.unwrap_or_else(|error| panic!("{path}, whole {is_whole}: {error}"));
            check(&held, MIDDLE);
        }
    }
    drop(world);
}

#[tokio::test]
async fn a_server_with_wrong_bytes_is_found_out_and_peers_bring_the_rest() {
    let world = World::new();
    let held = world.held().await;
    let mut wrong = embedded::TINY_Q8_0.to_vec();
    let file = tiny();
    let start = file.tensor("blk.3.ffn_up.weight").expect("a tensor").start() as usize;
    wrong[start + 77] ^= 1;
    let server = Server::start(&[("/wrong.gguf", wrong)]).await;
    let places = [server.spec("/wrong.gguf")];
    let error = world.fetch(&held, MIDDLE, &[], &places).await.expect_err("a wrong byte");
    assert!(error.to_string().contains("it sent wrong bytes"), "{error}");
    let honest = world.peer("a", Character::Honest);
    let fetched = world.fetch(&held, MIDDLE, &peers(&[&honest]), &places).await.expect("fetched");
    assert!(fetched.bytes < bytes_of(&held, MIDDLE), "what was good was kept");
    check(&held, MIDDLE);
}

#[tokio::test]
async fn another_model_on_a_server_is_no_source() {
    let world = World::new();
    let held = world.held().await;
    let server =
        Server::start(&[("/a", b"<html>not a model</html>".to_vec()), ("/b", vec![0; 100])]).await;
    let places = [server.spec("/a"), server.spec("/b"), server.spec("/c")];
    let error = world.fetch(&held, MIDDLE, &[], &places).await.expect_err("no model");
    let text = error.to_string();
    assert!(text.contains("not a GGUF file") && text.contains("404"), "{text}");
    let honest = world.peer("a", Character::Honest);
    world.fetch(&held, MIDDLE, &peers(&[&honest]), &places).await.expect("fetched");
    check(&held, MIDDLE);
}

#[tokio::test]
async fn a_model_that_nobody_has_hashed_is_read_once() {
    let world = World::new();
    let file = embedded::TINY_Q8_0.to_vec();
    let length = file.len();
    let server = Server::start(&[
        ("/tiny.gguf", file.clone()),
        ("/tiny.whl", archive("m/t.gguf", &file, true)),
    ])
    .await;
    for (path, keeps) in [("/tiny.gguf", None), ("/tiny.whl!/m/t.gguf", Some(MIDDLE))] {
        let store = Store::new(world.folder.path().join(&path[6..9]), None);
        let scratch = world.folder.path();
        let opened = Opened::find(&server.spec(path), scratch).await.expect("it answers");
        let before = server.manners.sent.load(Ordering::SeqCst);
        let wanted = |file: &GgufFile| match keeps {
            Some(range) => file.tensors_of(range),
            None => Ok(Vec::new()),
        };
        let last = std::sync::Mutex::new(0);
        let note = |progress: Progress| *last.lock().expect("unpoisoned") = progress.done;
        let held = read_whole(&store, &opened, wanted, &note).await.expect("read");
        assert_eq!(held.id(), world.id);
        assert_eq!(held.layers(), keeps.into_iter().collect::<Vec<_>>());
        let sent = server.manners.sent.load(Ordering::SeqCst) - before;
        assert!(sent <= length + (1 << 20), "{sent} bytes for {length}");
        assert!(*last.lock().expect("unpoisoned") as usize + 64 > length, "told to its end");
        if let Some(range) = keeps {
            check(&held, range);
        }
        assert_eq!(store.ids().expect("it reads"), [world.id], "nothing else is left");
    }
}

#[tokio::test]
async fn a_file_that_breaks_off_or_is_no_model_leaves_nothing() {
    let world = World::new();
    let file = embedded::TINY_Q8_0;
    let store = world.store();
    for bytes in [&file[..file.len() - 1], &file[..60_000], b"GGUF", b""] {
        let path = world.folder.path().join("model.gguf");
        std::fs::write(&path, bytes).expect("written");
        let opened = Opened::find(&Spec::file(&path), world.folder.path()).await.expect("a file");
        let all = |file: &GgufFile| Ok((0..file.tensors().count()).collect());
        let read = read_whole(&store, &opened, all, &|_| {}).await;
        assert!(read.is_err(), "{} bytes", bytes.len());
        assert_eq!(store.ids().expect("it reads"), []);
    }
}

#[tokio::test]
async fn what_does_not_fit_is_not_begun() {
    let world = World::new();
    let held = world.held().await;
    let store = Store::new(world.folder.path().join("models"), Some(500_000));
    let honest = world.peer("a", Character::Honest);
    let wanted = held.file().tensors_of(ALL).expect("layers");
    let refused = fetch(&store, &held, &wanted, &peers(&[&honest]), &[], &|_| {}).await;
    assert!(matches!(refused, Err(FetchError::Store(StoreError::Limit { .. }))), "{refused:?}");
    assert_eq!(honest.pieces.load(Ordering::SeqCst), 0);
}
