"""Scrapy over the benchmark's site: `scrapy_peer.py files|pages FOLDER URL...`.

Follows every link of the hosts of the URLs. `files` keeps each picture by FilesPipeline below
FOLDER. Prints as JSON what was done between the spider's opening and its end: neither the
interpreter's start nor the imports count.
"""

import json
import resource
import sys
import time
from urllib.parse import urlsplit

import scrapy
from scrapy import signals
from scrapy.crawler import CrawlerProcess

MODE, FOLDER, SEEDS = sys.argv[1], sys.argv[2], sys.argv[3:]


class Peer(scrapy.Spider):
    """Reads a page's links, and its pictures where they are wanted."""

    name = "peer"
    allowed_domains = [urlsplit(seed).hostname for seed in SEEDS]
    pages = 0
    began = ended = (0.0, 0.0)

    async def start(self):
        """Begins at each host."""
        for seed in SEEDS:
            yield scrapy.Request(seed, callback=self.parse)

    def parse(self, response):
        """One page."""
        Peer.pages += 1
        if MODE == "files":
            sources = response.css("img::attr(src)").getall()
            yield {"file_urls": [response.urljoin(source) for source in sources]}
        for link in response.css("a::attr(href)").getall():
            yield response.follow(link, callback=self.parse)


def spent():
    """The clock and this process's processor time, seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return time.monotonic(), usage.ru_utime + usage.ru_stime


def opened():
    """The clock starts."""
    Peer.began = spent()


def closed():
    """The clock stops."""
    Peer.ended = spent()


def main():
    """Crawls to the end."""
    settings = {
        "ROBOTSTXT_OBEY": True,
        "DOWNLOAD_DELAY": 0,
        "AUTOTHROTTLE_ENABLED": False,
        "CONCURRENT_REQUESTS": 16,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 4,
        "CONCURRENT_ITEMS": 400,
        "SCHEDULER_PRIORITY_QUEUE": "scrapy.pqueues.DownloaderAwarePriorityQueue",
        "REACTOR_THREADPOOL_MAXSIZE": 4,
        "COOKIES_ENABLED": False,
        "RETRY_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "LOG_LEVEL": "WARNING",
    }
    if MODE == "files":
        settings["ITEM_PIPELINES"] = {"scrapy.pipelines.files.FilesPipeline": 1}
        settings["FILES_STORE"] = FOLDER
    process = CrawlerProcess(settings)
    crawler = process.create_crawler(Peer)
    crawler.signals.connect(opened, signals.spider_opened)
    crawler.signals.connect(closed, signals.spider_closed)
    process.crawl(crawler)
    process.start()
    stats = crawler.stats.get_stats()
    report = {
        "pages": Peer.pages,
        "pictures": stats.get("file_count", 0),
        "bytes": stats.get("downloader/response_bytes", 0),
        "seconds": Peer.ended[0] - Peer.began[0],
        "cpu_seconds": Peer.ended[1] - Peer.began[1],
    }
    print(json.dumps(report))


main()
