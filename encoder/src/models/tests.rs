use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tusou_model::{Batch, Model};

use super::*;

/// Counts what it is given.
#[derive(Debug, Default)]
struct Count(usize);

impl Batch for Count {
    type Item = ();

    fn push(&mut self, (): &()) {
        self.0 += 1;
    }

    fn rows(&self) -> usize {
        self.0
    }

    fn clear(&mut self) {
        self.0 = 0;
    }
}

/// Ends no run before it is told to.
struct Held(Receiver<()>);

impl Model for Held {
    type Batch = Count;

    fn name(&self) -> &str {
        "held"
    }

    fn batches(&self, _: usize) -> Box<dyn Fn() -> Count + Send + Sync> {
        Box::new(Count::default)
    }

    fn run(&mut self, _: &Count, rows: Range<usize>) -> Result<Vec<Vec<f32>>, ModelError> {
        self.0.recv().expect("the test gives the word");
        Ok(vec![vec![1.0]; rows.len()])
    }
}

fn held() -> (Batcher<Held>, Sender<()>) {
    let (word, hold) = channel();
    let window = Window {
        most: 2,
        wait: Duration::ZERO,
    };
    let batcher = Batcher::start(vec![Held(hold)], window, |_| ()).expect("a thread starts");
    (batcher, word)
}

#[tokio::test]
async fn a_model_that_ends_no_batch_while_pictures_wait_is_not_well() {
    let (batcher, word) = held();
    let most = Duration::from_millis(20);
    let progress = || check("held", batcher.stalled(), most);
    thread::sleep(2 * most);
    assert_eq!(progress(), Ok(()), "it has nothing to do");

    let rows: Vec<Row> = (0..3).map(|_| batcher.push(&(), false)).collect();
    while progress().is_ok() {
        thread::sleep(most / 10);
    }
    let said = progress().expect_err("nothing has ended meanwhile");
    assert!(
        said.contains("model held") && said.contains("3 pictures wait"),
        "{said}"
    );
    assert_eq!(
        check("held", batcher.stalled(), STALLED),
        Ok(()),
        "a large model takes that long"
    );

    for _ in 0..rows.len() {
        word.send(()).expect("the model waits");
    }
    for row in rows {
        let made = row.get().await.expect("the thread lives");
        assert_eq!(made.expect("it is good"), [1.0]);
    }
    assert_eq!(progress(), Ok(()), "all have ended");
}
