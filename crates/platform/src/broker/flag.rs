//! Flag queues: a word for processes that have no database. Its presence is the word.

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::connection::{end, in_time};
use super::publisher::{Letter, Posted};
use super::table::{insert_number, insert_text};
use super::{Broker, BrokerError, header};

impl Broker {
    /// Puts a flag up: a durable classic queue of that name, which never holds a message. `why` and
    /// the present time become its arguments, for [`super::management::Management::flags`].
    ///
    /// `false` where it was up already; its reason then stays.
    pub async fn flag_up(&self, name: &str, why: &str) -> Result<bool, BrokerError> {
        if self.is_flag_up(name).await? {
            return Ok(false);
        }
        let since = OffsetDateTime::now_utc()
            .format(&Rfc3339)
            .expect("the present has four digits in its year");
        let mut arguments = FieldTable::default();
        for (key, value) in [
            ("x-queue-type", "classic"),
            (header::WHY, why),
            (header::SINCE, &since),
        ] {
            insert_text(&mut arguments, key, value);
        }
        // What asks for the flag is gone before anybody could read it.
        insert_number(&mut arguments, "x-message-ttl", 0);
        insert_number(&mut arguments, "x-max-length", 1);
        in_time("a flag", async {
            let channel = self.channel().await?;
            channel
                .queue_declare(name.into(), QueueDeclareOptions::durable(), arguments)
                .await
                .map_err(|error| BrokerError::of(&format!("the flag `{name}`"), &error))?;
            end(&channel).await;
            Ok(true)
        })
        .await
    }

    /// Takes a flag down. `false` where it was not up.
    pub async fn flag_down(&self, name: &str) -> Result<bool, BrokerError> {
        let was_up = self.is_flag_up(name).await?;
        in_time("a flag", async {
            let channel = self.channel().await?;
            channel
                .queue_delete(name.into(), QueueDeleteOptions::default())
                .await
                .map_err(|error| BrokerError::of(&format!("to remove `{name}`"), &error))?;
            end(&channel).await;
            Ok(())
        })
        .await?;
        Ok(was_up)
    }

    /// Whether a flag is up.
    ///
    /// Asked by a message that can only be routed to it: looking for a queue that is not there
    /// would be an error in the broker's log, every time.
    pub async fn is_flag_up(&self, name: &str) -> Result<bool, BrokerError> {
        let question = Letter {
            queue: name,
            id: "",
            headers: FieldTable::default(),
            body: b"",
        };
        let publisher = self.publisher().await?;
        let posted = Box::pin(publisher.post(vec![question])).await?;
        publisher.close().await;
        Ok(posted.first() != Some(&Posted::Unroutable))
    }
}
