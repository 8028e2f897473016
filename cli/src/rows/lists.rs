//! Lists and folders, and what became of the pictures that they name.

use tusou_ingest::lists;

use super::Snapshot;
use crate::error::Error;
use crate::status::ListStatus;

impl Snapshot {
    /// Every list and folder, the oldest first, with the image URLs that it names now.
    pub(crate) async fn lists(&mut self) -> Result<Vec<ListStatus>, Error> {
        let mut image_urls = self
            .by_state(
                "SELECT page_id, image_urls.state::text, image_urls.reason, count(*)
                 FROM lists JOIN page_images USING (page_id) JOIN image_urls USING (image_url_id)
                 GROUP BY page_id, image_urls.state, image_urls.reason",
            )
            .await?;
        let lists = lists::all(&mut self.0)
            .await
            .map_err(Error::query("read the lists"))?;
        let status = |list: lists::ListState| {
            let image_urls = image_urls.remove(&Some(list.page_id)).unwrap_or_default();
            ListStatus {
                done: list.finished_at.is_some() && image_urls.due == 0,
                image_urls,
                list,
            }
        };
        Ok(lists.into_iter().map(status).collect())
    }
}
