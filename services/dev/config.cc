#include "services/dev/config.h"

namespace wissel::dev {

void EmailProvider::Describe(config::Binder& b) {
  b.List("accounts", &accounts, "The mailboxes; none: answers by mail go to the outbox.",
         {.max_items = 500});
  b.List("thread_keys", &thread_keys,
         "Secrets that sign our Message-IDs; none: one is drawn and kept in `state`.",
         {.max_items = 8});
}

void WhatsappProvider::Describe(config::Binder& b) {
  b.List("accounts", &accounts,
         "The phone numbers; none: webhooks are signed with a secret drawn on the first start, and "
         "answers go to the outbox.");
  b.Group("graph", &graph, "What is called at Meta's.");
}

void Settings::Describe(config::Binder& b) {
  b.Text("state", &state, "Folder that everything is kept in; made when it is not there.");
  b.File("workspace_file", &workspace_file,
         "Workspace file that is put in force when none is: on the first start.");
  b.Text("kafka", &kafka,
         "HOST:PORT of a Kafka to use; empty: the embedded log, a file in `state`.");
  b.Text("redis", &redis,
         "HOST:PORT or unix socket of a Redis to use; empty: a child process, in memory.");
  b.Int("partitions", &partitions, "Of a log that is made; one that is there keeps its own.",
        {.min = 1, .max = 64});
  b.HostPort("grpc_listen", &grpc_listen,
             "HOST:PORT of the agents' service, without TLS; port 0 takes a free one.");
  b.HostPort("admin_listen", &admin_listen,
             "HOST:PORT of the admin service; port 0 takes a free one.");
  b.HostPort("history_listen", &history_listen,
             "HOST:PORT of the history service; port 0 takes a free one.");
  b.HostPort("webhook_listen", &webhook_listen,
             "HOST:PORT of the webhooks; port 0 takes a free one.");
  b.HostPort("page_listen", &page_listen,
             "HOST:PORT of the outbox's page and of injected mail; port 0 takes a free one.");
  b.Group("email", &email, "The mail provider, with the keys of wissel-email.");
  b.Group("whatsapp", &whatsapp, "Meta, with the keys of wissel-whatsapp.");
}

}  // namespace wissel::dev
