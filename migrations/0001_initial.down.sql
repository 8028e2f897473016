DROP TABLE indexed, generations, encodings, embeddings, removals, outbox, sightings, page_images,
    image_urls, images, seed_pages, pages, hosts, seeds;
DROP TYPE url_state;
