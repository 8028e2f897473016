use super::*;

/// Numbers that become vectors.
#[derive(Debug, Default)]
struct Numbers(Vec<i32>);

impl Batch for Numbers {
    type Item = i32;

    fn push(&mut self, item: &i32) {
        self.0.push(*item);
    }

    fn rows(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// Answers a number as a vector; 0 fails its batch, a negative number panics. More than `fits` at once
/// is too much for its memory. It tells of each run, and waits for a word where it is told to.
struct Echo {
    fits: usize,
    runs: std::sync::mpsc::Sender<usize>,
    hold: Option<std::sync::mpsc::Receiver<()>>,
}

impl Model for Echo {
    type Batch = Numbers;

    fn name(&self) -> &str {
        "echo"
    }

    fn batches(&self, _: usize) -> Box<dyn Fn() -> Numbers + Send + Sync> {
        Box::new(Numbers::default)
    }

    fn run(
        &mut self,
        batch: &Numbers,
        rows: std::ops::Range<usize>,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let items = &batch.0[rows];
        self.runs.send(items.len()).expect("the test listens");
        if let Some(hold) = &self.hold {
            hold.recv().expect("the test gives the word");
        }
        assert!(items.iter().all(|item| *item >= 0), "a broken invariant");
        let model = || "echo".to_owned();
        if items.len() > self.fits {
            return Err(ModelError::OutOfMemory { model: model() });
        }
        if items.contains(&0) {
            let what = "nothing".to_owned();
            return Err(ModelError::BadOutput {
                model: model(),
                what,
            });
        }
        Ok(items.iter().map(|item| vec![*item as f32]).collect())
    }
}

/// So long that a test which waits for it hangs.
const NEVER: Duration = Duration::from_secs(3_600);

struct Bench {
    batcher: Batcher<Echo>,
    runs: std::sync::mpsc::Receiver<usize>,
    word: std::sync::mpsc::Sender<()>,
}

fn bench(most: usize, wait: Duration, fits: usize, holds: bool) -> Bench {
    let ((runs, heard), (word, hold)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
    let hold = holds.then_some(hold);
    let models = vec![Echo { fits, runs, hold }];
    let batcher = Batcher::start(models, Window { most, wait }, |_| ()).expect("a thread starts");
    Bench {
        batcher,
        runs: heard,
        word,
    }
}

impl Bench {
    fn push(&self, item: i32, alone: bool) -> Row {
        self.batcher.push(&item, alone)
    }

    async fn all(&self, items: &[i32]) -> Vec<Option<f32>> {
        let rows: Vec<Row> = items.iter().map(|item| self.push(*item, false)).collect();
        let mut values = Vec::new();
        for row in rows {
            let result = row.get().await.expect("the thread lives");
            values.push(result.ok().map(|vector| vector[0]));
        }
        values
    }
}

#[tokio::test]
async fn a_full_batch_waits_for_nothing() {
    let bench = bench(3, NEVER, 9, false);
    assert_eq!(
        bench.all(&[1, 2, 3]).await,
        [Some(1.0), Some(2.0), Some(3.0)]
    );
    assert_eq!(bench.runs.recv(), Ok(3));
}

#[tokio::test]
async fn time_closes_a_batch_that_does_not_fill() {
    let bench = bench(8, Duration::from_millis(5), 9, false);
    assert_eq!(bench.all(&[7]).await, [Some(7.0)]);
}

#[tokio::test]
async fn a_batch_fills_while_the_model_is_busy() {
    let bench = bench(4, Duration::ZERO, 9, true);
    let first = bench.push(1, false);
    assert_eq!(bench.runs.recv(), Ok(1), "nothing else was there");
    let rest: Vec<Row> = (2..=4).map(|item| bench.push(item, false)).collect();
    assert_eq!(bench.batcher.stalled().items, 4);
    for _ in 0..2 {
        bench.word.send(()).expect("the model waits");
    }
    assert_eq!(bench.runs.recv(), Ok(3), "what came meanwhile is one batch");
    for row in rest.into_iter().chain([first]) {
        row.get()
            .await
            .expect("the thread lives")
            .expect("all are good");
    }
    assert_eq!(
        bench.batcher.stalled(),
        Stalled {
            items: 0,
            since: Duration::ZERO
        }
    );
}

#[tokio::test]
async fn a_suspect_runs_alone() {
    let bench = bench(8, Duration::ZERO, 9, true);
    let first = bench.push(1, false);
    assert_eq!(bench.runs.recv(), Ok(1));
    let rows = [
        bench.push(2, false),
        bench.push(3, true),
        bench.push(4, false),
    ];
    for _ in 0..3 {
        bench.word.send(()).expect("the model waits");
    }
    for row in rows.into_iter().chain([first]) {
        row.get()
            .await
            .expect("the thread lives")
            .expect("all are good");
    }
    let mut runs: Vec<usize> = bench.runs.try_iter().collect();
    runs.sort_unstable();
    assert_eq!(runs, [1, 2], "the others were together");
}

#[tokio::test]
async fn a_bad_item_does_not_hurt_its_mates() {
    let bench = bench(3, NEVER, 9, false);
    assert_eq!(bench.all(&[1, 0, 3]).await, [Some(1.0), None, Some(3.0)]);
}

#[tokio::test]
async fn what_does_not_fit_is_halved_for_good() {
    let bench = bench(8, NEVER, 3, false);
    let items: Vec<i32> = (1..=8).collect();
    let expected: Vec<Option<f32>> = items.iter().map(|item| Some(*item as f32)).collect();
    assert_eq!(bench.all(&items).await, expected);
    assert_eq!(bench.all(&items).await, expected);
    let runs: Vec<usize> = bench.runs.try_iter().collect();
    assert_eq!(
        runs,
        [8, 4, 2, 2, 2, 2, 2, 2, 2, 2],
        "8 and 4 are tried once"
    );
}

#[tokio::test]
async fn one_item_that_does_not_fit_is_an_error() {
    let bench = bench(1, NEVER, 0, false);
    let result = bench.push(5, false).get().await.expect("the thread lives");
    assert!(matches!(result, Err(ModelError::OutOfMemory { .. })));
}

#[tokio::test]
async fn a_dead_thread_is_an_error_and_not_a_wait() {
    let bench = bench(1, NEVER, 9, false);
    assert_eq!(
        bench
            .push(-1, false)
            .get()
            .await
            .expect_err("it died of it"),
        Stopped
    );
    assert_eq!(
        bench.push(1, false).get().await.expect_err("none is left"),
        Stopped
    );
}
