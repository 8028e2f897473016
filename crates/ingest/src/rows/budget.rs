//! What a host may bring: so many pages, and so many of one pattern.
//!
//! Calendars, endless lists and session ids make pages without end. They are held by counts that
//! are kept under lock: of a host's pages, and of those whose addresses have one pattern.

use std::collections::{BTreeMap, HashMap};

use sqlx::PgConnection;

use crate::address::Address;
use crate::trap;

/// The pattern that stands for all pages of a host.
const WHOLE_HOST: &str = "";

/// How many pages of a host may become known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgets {
    /// At most so many of a host.
    pub host_pages: u64,
    /// At most so many of a host that have one [`trap::pattern`].
    pub pattern_pages: u64,
}

impl Budgets {
    /// For what people ask for by name.
    pub const UNBOUNDED: Self = Self {
        host_pages: u64::MAX,
        pattern_pages: u64::MAX,
    };

    fn of(&self, pattern: &str) -> i64 {
        let most = if pattern == WHOLE_HOST {
            self.host_pages
        } else {
            self.pattern_pages
        };
        i64::try_from(most).unwrap_or(i64::MAX)
    }
}

/// Which of a page's two budgets is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spent {
    /// The host's.
    Host,
    /// The pattern's.
    Pattern,
}

/// A host and a pattern of it.
pub(super) type Key = (i64, String);

#[derive(Debug)]
struct Account {
    left: i64,
    /// For how many pages the count was raised that have not been taken.
    owed: i64,
    used_up: bool,
}

/// The budgets of new pages, whose counts are locked and raised by all of these pages.
#[derive(Debug)]
pub(super) struct Accounts {
    pages: HashMap<Address, Key>,
    accounts: BTreeMap<Key, Account>,
}

impl Accounts {
    /// Raises the counts for new pages, given with their hosts, in one statement, which locks the
    /// rows by key. What is not [taken](Self::take) is given back by [`Self::close`].
    pub(super) async fn open(
        tx: &mut PgConnection,
        pages: impl Iterator<Item = (&Address, i64)>,
        budgets: Budgets,
    ) -> Result<Self, sqlx::Error> {
        let pages: HashMap<Address, Key> = pages
            .map(|(address, host)| (address.clone(), (host, trap::pattern(address))))
            .collect();
        let mut owed: BTreeMap<Key, i64> = BTreeMap::new();
        for (host, pattern) in pages.values() {
            for pattern in [WHOLE_HOST, pattern] {
                *owed.entry((*host, pattern.to_owned())).or_insert(0) += 1;
            }
        }
        if pages.is_empty() {
            let accounts = BTreeMap::new();
            return Ok(Self { pages, accounts });
        }
        let (hosts, patterns, counts) = columns(owed.iter().map(|(key, owed)| (key, *owed)));
        let raised: Vec<(i64, String, i64)> = sqlx::query_as(
            "INSERT INTO url_patterns (host_id, pattern, pages)
             SELECT host_id, pattern, pages
             FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS found (host_id, pattern, pages)
             ORDER BY host_id, pattern
             ON CONFLICT (host_id, pattern) DO UPDATE SET pages = url_patterns.pages + EXCLUDED.pages
             RETURNING host_id, pattern, pages",
        )
        .bind(hosts)
        .bind(patterns)
        .bind(counts)
        .fetch_all(tx)
        .await?;
        let account = |(host, pattern, raised): (i64, String, i64)| {
            let most = budgets.of(&pattern);
            let key = (host, pattern);
            let owed = owed.get(&key).copied().unwrap_or(0);
            let left = most.saturating_sub(raised - owed);
            let account = Account {
                left,
                owed,
                used_up: false,
            };
            (key, account)
        };
        Ok(Self {
            accounts: raised.into_iter().map(account).collect(),
            pages,
        })
    }

    /// Which budget of a page is spent, if one is; none is of a page that is not new.
    pub(super) fn spent(&self, page: &Address) -> Option<Spent> {
        let (host, pattern) = self.pages.get(page)?;
        let spent = |pattern: &str| {
            let account = self.accounts.get(&(*host, pattern.to_owned()));
            account.is_some_and(|account| account.left <= 0)
        };
        if spent(WHOLE_HOST) {
            Some(Spent::Host)
        } else {
            spent(pattern).then_some(Spent::Pattern)
        }
    }

    /// Spends what a new page costs, once, whether there is room for it or not.
    pub(super) fn take(&mut self, page: &Address) {
        let Some((host, pattern)) = self.pages.remove(page) else {
            return;
        };
        for pattern in [WHOLE_HOST.to_owned(), pattern] {
            if let Some(account) = self.accounts.get_mut(&(host, pattern)) {
                account.used_up |= account.left == 1;
                account.left = account.left.saturating_sub(1);
                account.owed -= 1;
            }
        }
    }

    /// Gives back what the counts were raised by for pages that were not taken. Returns the budgets of
    /// which the last page was taken: once for each, however often more is asked of them.
    pub(super) async fn close(self, tx: &mut PgConnection) -> Result<Vec<Key>, sqlx::Error> {
        let used_up = self.accounts.iter().filter(|(_, account)| account.used_up);
        let used_up: Vec<Key> = used_up.map(|(key, _)| key.clone()).collect();
        let owed = self
            .accounts
            .iter()
            .map(|(key, account)| (key, account.owed));
        let owed: Vec<(&Key, i64)> = owed.filter(|(_, owed)| *owed > 0).collect();
        if owed.is_empty() {
            return Ok(used_up);
        }
        let (hosts, patterns, counts) = columns(owed.into_iter());
        sqlx::query(
            "UPDATE url_patterns SET pages = url_patterns.pages - surplus.pages
             FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS surplus (host_id, pattern, pages)
             WHERE url_patterns.host_id = surplus.host_id AND url_patterns.pattern = surplus.pattern",
        )
        .bind(hosts)
        .bind(patterns)
        .bind(counts)
        .execute(tx)
        .await?;
        Ok(used_up)
    }
}

fn columns<'k>(rows: impl Iterator<Item = (&'k Key, i64)>) -> (Vec<i64>, Vec<&'k str>, Vec<i64>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for ((host, pattern), pages) in rows {
        columns.0.push(*host);
        columns.1.push(pattern.as_str());
        columns.2.push(pages);
    }
    columns
}
