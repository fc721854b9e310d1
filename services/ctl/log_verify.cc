#include "services/ctl/log_verify.h"

#include <boost/json.hpp>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/json_string.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/domain/state.h"
#include "libs/http/client.h"
#include "libs/store/redis.h"
#include "libs/views/checkpoint.h"
#include "services/ctl/connections.h"
#include "services/ctl/exit_code.h"
#include "services/ctl/log_source.h"
#include "services/ctl/output.h"

namespace wissel::ctl {
namespace {

// A router may be some appends ahead of what readers see: asked again so often.
constexpr int kAttempts = 5;
constexpr absl::Duration kBetweenAttempts = absl::Milliseconds(200);

class PartitionFold {
 public:
  PartitionFold(int32_t partition, const std::vector<Witness>& witnesses) {
    report_.partition = partition;
    for (const Witness& w : witnesses) {
      if (w.partition != partition) continue;
      report_.testimonies.push_back({.witness = w});
      if (!w.absent.empty()) {
        report_.testimonies.back().agreement = w.not_asked ? Agreement::kNotAsked
                                               : w.damaged ? Agreement::kDamaged
                                                           : Agreement::kAbsent;
      }
    }
  }

  void Take(const LogItem& item) {
    if (!started_) {
      started_ = true;
      if (item.begins > 0) state_.BeginsAfterCut();
    }
    HearBefore(item.offset);
    next_offset_ = item.offset + 1;
    if (item.entry == nullptr) {
      ++report_.voids[std::string(bus::VerdictName(item.verdict))];
      return;
    }
    if (item.entry->record.has_owner_claimed()) {
      ++report_.claims;
      return;
    }
    const auto& decision = item.entry->record.decision();
    ++report_.decisions;
    report_.events += decision.events_size();
    state_.Apply(decision);
    for (Testimony& t : report_.testimonies) {
      if (!t.witness.next_offset && t.witness.epoch == decision.epoch() &&
          t.witness.sequence == decision.sequence()) {
        Hear(t);
      }
    }
  }

  PartitionReport Finish() {
    HearBefore(next_offset_);
    report_.state_hash = state_.Hash();
    report_.whole = state_.whole();
    report_.conversations = state_.conversations().size();
    for (const auto& [id, conversation] : state_.conversations()) {
      report_.open += domain::IsOpen(*conversation) ? 1 : 0;
    }
    return std::move(report_);
  }

 private:
  void HearBefore(int64_t offset) {
    for (Testimony& t : report_.testimonies) {
      if (t.witness.next_offset && *t.witness.next_offset <= offset) Hear(t);
    }
  }

  void Hear(Testimony& t) {
    if (t.agreement != Agreement::kNotReached) return;
    t.state_hash = state_.Hash();
    if (!state_.whole()) {
      t.agreement = Agreement::kNotWhole;
    } else {
      t.agreement = t.state_hash == t.witness.state_hash ? Agreement::kAgrees : Agreement::kDiffers;
    }
  }

  bool started_ = false;
  int64_t next_offset_ = 0;
  domain::State state_;
  PartitionReport report_;
};

std::string HashText(uint64_t hash) { return absl::StrCat(absl::Hex(hash, absl::kZeroPad16)); }

absl::string_view AgreementText(Agreement agreement) {
  switch (agreement) {
    case Agreement::kAgrees:
      return "OK";
    case Agreement::kDiffers:
      return "MISMATCH";
    case Agreement::kNotReached:
      return "NOT IN THE LOG";
    case Agreement::kNotWhole:
      return "NOT WHOLE";
    case Agreement::kAbsent:
      return "ABSENT";
    case Agreement::kDamaged:
      return "DAMAGED";
    case Agreement::kNotAsked:
      return "NOT ASKED";
  }
  return "";
}

std::string PlaceText(const Witness& w) {
  return w.next_offset ? absl::StrCat("before ", *w.next_offset)
                       : absl::StrCat("epoch ", w.epoch, ", sequence ", w.sequence);
}

absl::StatusOr<std::vector<Witness>> AskRouter(const std::string& address, absl::Duration timeout) {
  WISSEL_ASSIGN_OR_RETURN(const auto http, http::Client::Create({}));
  const std::string url = absl::StrCat("http://", address, "/statez");
  const http::FetchResult result = http->FetchAndWait(
      {.url = url}, {.total_timeout = timeout, .max_response_bytes = 8 << 20, .idempotent = true});
  if (result.fate != http::Fate::kAnswered) {
    return absl::UnavailableError(absl::StrCat(url, ": ", result.error));
  }
  if (result.status != 200) {
    return absl::UnavailableError(absl::StrCat(url, ": status ", result.status));
  }
  return ParseStatez(absl::StrCat("router ", address), result.body);
}

absl::StatusOr<std::vector<Witness>> AskRedis(const store::RedisOptions& options, int partitions) {
  std::vector<Witness> witnesses;
  store::Redis redis(options);
  for (int32_t p = 0; p < partitions; ++p) {
    WISSEL_ASSIGN_OR_RETURN(auto load, views::LoadCheckpoint(redis, views::PartitionKeys(p)));
    Witness w{.who = "redis", .partition = p};
    if (load.outcome != views::CheckpointLoad::Outcome::kLoaded) {
      w.absent = absl::StrCat(views::OutcomeName(load.outcome), load.detail.empty() ? "" : ": ",
                              load.detail);
      w.damaged = load.outcome == views::CheckpointLoad::Outcome::kDamaged;
    } else {
      const views::CheckpointMeta& meta = load.checkpoint.meta;
      w.next_offset = meta.position ? meta.position->offset : 0;
      w.state_hash = meta.state_hash;
      if (!meta.whole) w.absent = "not whole yet";
    }
    witnesses.push_back(std::move(w));
  }
  return witnesses;
}

bool CannotBeAsked(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

Witness NotAsked(const std::string& who, int32_t partition, const absl::Status& why) {
  return {.who = who,
          .partition = partition,
          .next_offset = {},
          .absent = std::string(why.message()),
          .not_asked = true};
}

// What they say, or for every partition that they could not be asked.
absl::Status AddWitnesses(absl::StatusOr<std::vector<Witness>> said, const std::string& who,
                          int partitions, std::vector<Witness>& witnesses) {
  if (said.ok()) {
    for (Witness& w : *said) witnesses.push_back(std::move(w));
    return absl::OkStatus();
  }
  if (!CannotBeAsked(said.status())) return said.status();
  for (int32_t p = 0; p < partitions; ++p) {
    witnesses.push_back(NotAsked(who, p, said.status()));
  }
  return absl::OkStatus();
}

// The views move on by themselves; a projector may begin them anew.
absl::StatusOr<views::ViewComparison> CompareViews(bus::Bus& bus, store::Redis& redis,
                                                   int32_t partition) {
  const views::PartitionKeys keys(partition);
  auto comparison = views::CompareViews(bus, redis, keys);
  for (int i = 1; i < kAttempts && absl::IsAborted(comparison.status()); ++i) {
    absl::SleepFor(kBetweenAttempts);
    comparison = views::CompareViews(bus, redis, keys);
  }
  return comparison;
}

bool Any(const std::vector<PartitionReport>& reports, Agreement agreement) {
  for (const PartitionReport& report : reports) {
    for (const Testimony& t : report.testimonies) {
      if (t.agreement == agreement) return true;
    }
  }
  return false;
}

std::vector<PartitionReport> WithoutUnasked(std::vector<PartitionReport> reports) {
  for (PartitionReport& report : reports) {
    std::vector<Testimony>& all = report.testimonies;
    all.erase(
        std::remove_if(all.begin(), all.end(),
                       [](const Testimony& t) { return t.agreement == Agreement::kNotAsked; }),
        all.end());
  }
  return reports;
}

std::string VoidsText(const PartitionReport& report) {
  if (report.voids.empty()) return "-";
  return absl::StrJoin(report.voids, ", ", [](std::string* out, const auto& reason) {
    absl::StrAppend(out, reason.second, " ", reason.first);
  });
}

absl::string_view ViewsText(const views::ViewComparison& comparison) {
  if (!comparison.not_compared.empty()) return "NOT COMPARED";
  return comparison.differing == 0 ? "OK" : "MISMATCH";
}

boost::json::object ViewsJson(const views::ViewComparison& comparison) {
  boost::json::object json{{"result", std::string(ViewsText(comparison))},
                           {"compared", comparison.views},
                           {"differing", comparison.differing}};
  if (!comparison.not_compared.empty()) json["not_compared"] = comparison.not_compared;
  boost::json::array differences;
  for (const views::ViewDifference& d : comparison.differences) {
    differences.push_back(
        {{"view", d.key}, {"expected", d.expected}, {"found", d.found}, {"difference", d.detail}});
  }
  json["differences"] = std::move(differences);
  return json;
}

void PrintTables(const std::vector<PartitionReport>& reports, std::ostream& out) {
  Table folds({"PARTITION", "CLAIMS", "DECISIONS", "EVENTS", "VOID", "CONVERSATIONS", "OPEN",
               "STATE HASH"});
  Table heard({"PARTITION", "WITNESS", "PLACE", "ITS HASH", "THE LOG'S", "RESULT"});
  Table differences({"VIEW", "EXPECTED", "FOUND", "DIFFERENCE"});
  bool any = false;
  bool any_difference = false;
  for (const PartitionReport& r : reports) {
    folds.Add({absl::StrCat(r.partition), absl::StrCat(r.claims), absl::StrCat(r.decisions),
               absl::StrCat(r.events), VoidsText(r), absl::StrCat(r.conversations),
               absl::StrCat(r.open),
               absl::StrCat(HashText(r.state_hash), r.whole ? "" : " (not whole)")});
    for (const Testimony& t : r.testimonies) {
      any = true;
      const bool absent = !t.witness.absent.empty();
      heard.Add({absl::StrCat(r.partition), t.witness.who,
                 absent ? t.witness.absent : PlaceText(t.witness),
                 absent ? "-" : HashText(t.witness.state_hash),
                 absent || t.agreement == Agreement::kNotReached ? "-" : HashText(t.state_hash),
                 std::string(AgreementText(t.agreement))});
    }
    if (!r.views.has_value()) continue;
    heard.Add({absl::StrCat(r.partition), "redis, views",
               r.views->not_compared.empty() ? absl::StrCat(r.views->views, " compared")
                                             : r.views->not_compared,
               "-", "-", std::string(ViewsText(*r.views))});
    for (const views::ViewDifference& d : r.views->differences) {
      any_difference = true;
      differences.Add(
          {d.key, absl::StrCat(d.expected), absl::StrCat(d.found), OneLine(d.detail, 120)});
    }
    const int64_t more = r.views->differing - static_cast<int64_t>(r.views->differences.size());
    if (more > 0) differences.Add({absl::StrCat("and ", more, " more of partition ", r.partition)});
  }
  folds.Print(out);
  if (any) {
    out << "\n";
    heard.Print(out);
  }
  if (any_difference) {
    out << "\n";
    differences.Print(out);
  }
}

boost::json::object ToJson(const std::vector<PartitionReport>& reports, bool ok) {
  boost::json::array partitions;
  for (const PartitionReport& r : reports) {
    boost::json::object voids;
    for (const auto& [reason, count] : r.voids) voids[reason] = count;
    boost::json::array witnesses;
    for (const Testimony& t : r.testimonies) {
      boost::json::object w{{"who", t.witness.who},
                            {"result", std::string(AgreementText(t.agreement))}};
      if (!t.witness.absent.empty()) {
        w["absent"] = t.witness.absent;
      } else {
        w["place"] = PlaceText(t.witness);
        w["state_hash"] = HashText(t.witness.state_hash);
        w["log_state_hash"] = HashText(t.state_hash);
      }
      witnesses.push_back(std::move(w));
    }
    partitions.push_back({{"partition", r.partition},
                          {"claims", r.claims},
                          {"decisions", r.decisions},
                          {"events", r.events},
                          {"void", std::move(voids)},
                          {"conversations", r.conversations},
                          {"open", r.open},
                          {"whole", r.whole},
                          {"state_hash", HashText(r.state_hash)},
                          {"witnesses", std::move(witnesses)}});
    if (r.views.has_value()) partitions.back().get_object()["views"] = ViewsJson(*r.views);
  }
  return {{"ok", ok}, {"partitions", std::move(partitions)}};
}

}  // namespace

absl::StatusOr<std::vector<Witness>> ParseStatez(absl::string_view who, absl::string_view json) {
  const auto wrong = [&] {
    return absl::DataLossError(absl::StrCat(who, ": its /statez is not as expected"));
  };
  boost::system::error_code error;
  const boost::json::value root =
      boost::json::parse(boost::json::string_view(json.data(), json.size()), error);
  if (error || !root.is_object()) return wrong();
  const auto* list = root.get_object().if_contains("partitions");
  if (list == nullptr || !list->is_array()) return wrong();
  std::vector<Witness> witnesses;
  for (const auto& item : list->get_array()) {
    if (!item.is_object()) return wrong();
    const auto number = [&](const char* name, auto& value) {
      const auto* field = item.get_object().if_contains(name);
      if (field == nullptr || !field->is_int64()) return false;
      value = static_cast<std::decay_t<decltype(value)>>(field->get_int64());
      return true;
    };
    Witness w{.who = std::string(who)};
    const auto* hash = item.get_object().if_contains("state_hash");
    if (!number("partition", w.partition) || !number("epoch", w.epoch) ||
        !number("sequence", w.sequence) || hash == nullptr || !hash->is_string() ||
        !absl::SimpleHexAtoi(absl::string_view(hash->get_string().c_str()), &w.state_hash)) {
      return wrong();
    }
    if (w.sequence == 0) w.absent = "has decided nothing yet";
    witnesses.push_back(std::move(w));
  }
  return witnesses;
}

absl::StatusOr<std::vector<PartitionReport>> FoldAndCompare(bus::Bus& bus,
                                                            const std::vector<Witness>& witnesses) {
  WISSEL_ASSIGN_OR_RETURN(const int partitions, bus.PartitionCount(bus::Topic::kLog));
  std::vector<PartitionReport> reports;
  for (int32_t p = 0; p < partitions; ++p) {
    PartitionFold fold(p, witnesses);
    WISSEL_RETURN_IF_ERROR(WalkLog(bus, {.partition = p}, [&](const LogItem& item) {
      fold.Take(item);
      return absl::OkStatus();
    }));
    reports.push_back(fold.Finish());
  }
  return reports;
}

absl::StatusOr<std::vector<PartitionReport>> AskAndCompare(bus::Bus& bus,
                                                           const VerifyFlags& flags) {
  WISSEL_ASSIGN_OR_RETURN(const int partitions, bus.PartitionCount(bus::Topic::kLog));
  std::vector<PartitionReport> reports;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (attempt > 0) absl::SleepFor(kBetweenAttempts);
    std::vector<Witness> witnesses;
    for (const std::string& address : flags.routers) {
      WISSEL_RETURN_IF_ERROR(AddWitnesses(AskRouter(address, flags.timeout),
                                          absl::StrCat("router ", address), partitions, witnesses));
    }
    if (!flags.redis.address.empty()) {
      WISSEL_RETURN_IF_ERROR(
          AddWitnesses(AskRedis(flags.redis, partitions), "redis", partitions, witnesses));
    }
    WISSEL_ASSIGN_OR_RETURN(reports, FoldAndCompare(bus, witnesses));
    if (!Any(reports, Agreement::kNotReached)) break;
  }
  if (flags.redis.address.empty()) return reports;
  store::Redis redis(flags.redis);
  absl::Status away;
  for (PartitionReport& report : reports) {
    if (away.ok()) {
      auto comparison = CompareViews(bus, redis, report.partition);
      if (comparison.ok()) {
        report.views = *std::move(comparison);
        continue;
      }
      if (!CannotBeAsked(comparison.status())) return comparison.status();
      away = comparison.status();  // for the other partitions as well
    }
    report.testimonies.push_back({.witness = NotAsked("redis, views", report.partition, away),
                                  .agreement = Agreement::kNotAsked});
  }
  return reports;
}

bool AllAgree(const std::vector<PartitionReport>& reports) {
  for (const PartitionReport& report : reports) {
    for (const Testimony& t : report.testimonies) {
      if (t.agreement != Agreement::kAgrees && t.agreement != Agreement::kAbsent) return false;
    }
    if (report.views.has_value() && report.views->differing > 0) return false;
  }
  return true;
}

absl::Status VerifyLog(Session& session, VerifyFlags flags) {
  WISSEL_ASSIGN_OR_RETURN(const auto bus, OpenLog(session));
  if (flags.routers.empty()) flags.routers = session.context().statez;
  WISSEL_ASSIGN_OR_RETURN(flags.redis, RedisOf(session, flags.redis.address));
  flags.timeout = session.timeout();
  WISSEL_ASSIGN_OR_RETURN(const std::vector<PartitionReport> reports, AskAndCompare(*bus, flags));
  const bool ok = AllAgree(reports);
  // Of those that could be asked, nobody disagrees.
  const bool unasked = !ok && AllAgree(WithoutUnasked(reports));
  if (session.format() == Format::kTable) {
    PrintTables(reports, session.out);
    session.out << (ok ? "OK\n" : unasked ? "NOT ALL ASKED\n" : "MISMATCH\n");
  } else {
    PrintJson(ToJson(reports, ok), session.format(), session.out);
  }
  if (unasked) {
    return absl::UnavailableError(
        "the log is folded, but who is NOT ASKED above could not be reached: its word is missing");
  }
  return ok ? absl::OkStatus() : FoundDifference();
}

}  // namespace wissel::ctl
