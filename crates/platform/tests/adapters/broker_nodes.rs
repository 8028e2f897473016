//! A broker of several nodes: some of which do not answer, or none.

use tusou_platform::broker::management::Management;
use tusou_platform::broker::{Broker, BrokerError};
use tusou_testkit::{World, free_port};
use url::Url;

/// The same address where nobody listens, and its `host:port`.
fn nobody(url: &str) -> (String, String) {
    let mut url = Url::parse(url).expect("the world's URL is valid");
    let port = free_port();
    url.set_port(Some(port)).expect("it has a host");
    let host = url.host_str().expect("it has a host");
    (url.to_string(), format!("{host}:{port}"))
}

fn password(url: &str) -> String {
    let url = Url::parse(url).expect("the world's URL is valid");
    url.password().expect("it has a password").to_owned()
}

#[tokio::test]
async fn a_connection_goes_to_a_node_that_answers_and_the_error_names_all() {
    let mut world = World::new("broker_nodes").await;
    let proxy = world.proxy_amqp().await;
    let living = world.config.amqp.url.clone();
    let (first, first_name) = nobody(&living);
    let (second, second_name) = nobody(&living);
    let mut amqp = world.config.amqp.clone();
    amqp.url = first;
    amqp.further_urls = vec![second, living.clone()];
    // Each time another one is the first.
    for _ in 0..3 {
        let broker = Broker::connect(&amqp, "test").await.expect("connected");
        assert!(broker.is_connected());
        broker.close().await;
    }

    proxy.cut();
    let error = Broker::connect(&amqp, "test").await.expect_err("no node");
    assert!(matches!(error, BrokerError::Away(_)), "{error}");
    let told = error.to_string();
    let names = [first_name, second_name, proxy.address().to_string()];
    let missing: Vec<_> = names.iter().filter(|name| !told.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}: {told}");
    assert!(!told.contains(&password(&living)), "{told}");

    // A refusal is not hidden by those that are away.
    proxy.restore();
    amqp.further_urls[1] = living.replacen("://", "://x", 1);
    let error = Broker::connect(&amqp, "test").await.expect_err("refused");
    assert!(matches!(error, BrokerError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("the password"), "{error}");
    world.end().await;
}

#[tokio::test]
async fn the_management_api_is_asked_of_the_next_node_where_one_does_not_answer() {
    let mut world = World::new("management_nodes").await;
    let _broker = world.broker().await;
    let living = world.config.rabbitmq.api_url.clone();
    let (first, first_name) = nobody(&living);
    let (second, second_name) = nobody(&living);
    world.config.rabbitmq.api_url = first;
    world.config.rabbitmq.further_api_urls = vec![second, living.clone()];
    let management = Management::new(&world.config).expect("the addresses are valid");
    for _ in 0..2 {
        management.queues().await.expect("one node answers");
    }
    assert!(management.flags().await.expect("one answers").is_empty());

    world.config.rabbitmq.further_api_urls.pop();
    let management = Management::new(&world.config).expect("the addresses are valid");
    let error = management.queues().await.expect_err("no node answers");
    assert!(matches!(error, BrokerError::Away(_)), "{error}");
    let told = error.to_string();
    assert!(
        told.contains(&first_name) && told.contains(&second_name) && told.contains("refused"),
        "{told}"
    );
    assert!(!told.contains(&password(&living)), "{told}");
    world.end().await;
}
