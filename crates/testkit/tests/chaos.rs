//! The oracle's short run. In a test program of its own: it stops, freezes and restarts the stores,
//! which the others of a run use as well.

use std::time::Duration;

use tusou_testkit::chaos::plan::Fault;
use tusou_testkit::chaos::{self, Options};

#[tokio::test(flavor = "multi_thread")]
async fn a_short_run_loses_nothing() {
    let options = Options {
        seed: 20_260_101,
        duration: Duration::from_secs(90),
        hosts: 4,
        pages: 60,
        // Mounting takes root, which a test may not have.
        disk: rustix::process::geteuid().is_root(),
    };
    let report = chaos::run(&options).await;
    let report = report.expect("the stores of the local stack are up");
    assert!(report.verdict.is_clean(), "{report}");
    assert!(report.verdict.pictures > 50, "{report}");
    // What is put into the queues may meet a broker that is away.
    let sure = Fault::all()
        .into_iter()
        .filter(|fault| !matches!(fault, Fault::Queues(_) | Fault::FullDisk));
    for fault in sure {
        let injected = report
            .faults
            .get(&fault.kind())
            .map_or(0, |count| count.injected);
        assert!(injected > 0, "{}: {report}", fault.kind());
    }
}
