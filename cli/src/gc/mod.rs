//! `tusou gc`: blobs without rows, and rows without blobs.

mod missing;
mod report;
mod sweep;

use std::io::Write;
use std::time::SystemTime;

use tusou_platform::blobs::BlobStore;
use tusou_platform::{Config, database};

use crate::args::Gc;
use crate::error::Error;
use crate::format::json;
use crate::outbox::Room;
use crate::rows::blobs::{Kind, Turn, claims};
use missing::Look;
use report::Report;
use sweep::Sweep;

/// Collects both ways, and prints what was found and done.
///
/// # Errors
/// [`Error::BlobsMissing`] where a row's blob is not there and was not repaired,
/// [`Error::BlobsLost`] where it cannot be.
pub(crate) async fn run(config: &Config, args: &Gc, out: &mut dyn Write) -> Result<(), Error> {
    let pool = database::connect(&config.database).await?;
    let blobs = BlobStore::open(&config.blobs)?;
    let _turn = Turn::take(&pool).await?;
    let older_than = SystemTime::now()
        .checked_sub(args.grace)
        .unwrap_or(SystemTime::UNIX_EPOCH);
    let mut report = Report {
        dry_run: args.dry_run,
        ..Report::default()
    };
    for kind in [Kind::Originals, Kind::Thumbnails] {
        let sweep = Sweep {
            pool: &pool,
            blobs: &blobs,
            kind,
            older_than,
            second_look: args.second_look,
            dry_run: args.dry_run,
        };
        let swept = sweep.run().await?;
        // A disk that is not mounted looks like this: nothing is to be fetched again for that.
        if args.repair && kind == Kind::Originals && swept.looked_at == 0 {
            let claimed = claims(&pool, kind, None, 1).await?;
            if !claimed.is_empty() {
                let url = config.blobs.url.clone();
                return Err(Error::NoBlobs { url });
            }
        }
        let look = Look {
            pool: &pool,
            blobs: &blobs,
            kind,
            repair: args.repair,
            dry_run: args.dry_run,
            room: Room {
                pool: &pool,
                limit: config.crawler.outbox_limit,
            },
        };
        let missing = look.run().await?;
        match kind {
            Kind::Originals => (report.originals, report.missing_originals) = (swept, missing),
            Kind::Thumbnails => (report.thumbnails, report.missing_thumbnails) = (swept, missing),
        }
    }
    if args.json {
        writeln!(out, "{}", json(&report))?;
    } else {
        write!(out, "{}", report::text(&report, args.repair))?;
    }
    out.flush()?;
    let missing = [&report.missing_originals, &report.missing_thumbnails];
    let beyond = missing.iter().map(|missing| missing.beyond_repair).sum();
    let count = missing.iter().map(|missing| missing.count).sum();
    match (count, beyond) {
        (0, _) => Ok(()),
        _ if !args.repair || args.dry_run => Err(Error::BlobsMissing { count }),
        (_, 0) => Ok(()),
        (_, count) => Err(Error::BlobsLost { count }),
    }
}
