#include "services/dev/app.h"

int main(int argc, char** argv) {
  using wissel::dev::Settings;
  return wissel::service::Run<Settings>(
      argc, argv,
      {.name = "wissel-dev",
       .summary = "All of Wissel in one process, for a laptop: state in one folder, nothing else "
                  "to install or start.",
       .flags = {{.name = "state", .key = "state"},
                 {.name = "workspace-file", .key = "workspace_file"},
                 {.name = "kafka", .key = "kafka"},
                 {.name = "redis", .key = "redis"}},
       .start = wissel::dev::Start});
}
