#include "services/email/imap.h"

#include <libetpan/libetpan.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/timeout.h"

namespace wissel::email {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* value) const {
    Free(value);
  }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, Deleter<Free>>;

// libetpan frees the strings it is given.
char* Copy(absl::string_view text) {
  char* copy = static_cast<char*>(std::malloc(text.size() + 1));
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return copy;
}

// What a command's result means. `session` is null where there is no answer to quote.
absl::Status ToStatus(int result, const mailimap* session, absl::string_view what) {
  const char* answer = session == nullptr ? nullptr : session->imap_response;
  const std::string text =
      absl::StrCat("imap: ", what, answer == nullptr ? "" : ": ", answer == nullptr ? "" : answer);
  switch (result) {
    case MAILIMAP_NO_ERROR:
    case MAILIMAP_NO_ERROR_AUTHENTICATED:
    case MAILIMAP_NO_ERROR_NON_AUTHENTICATED:
      return absl::OkStatus();
    case MAILIMAP_ERROR_STREAM:
    case MAILIMAP_ERROR_CONNECTION_REFUSED:
    case MAILIMAP_ERROR_DONT_ACCEPT_CONNECTION:
    case MAILIMAP_ERROR_MEMORY:
    case MAILIMAP_ERROR_FATAL:
    case MAILIMAP_ERROR_SSL:
    case MAILIMAP_ERROR_BAD_STATE:
      return absl::UnavailableError(absl::StrCat("imap: ", what, ": connection lost"));
    case MAILIMAP_ERROR_PARSE:
    case MAILIMAP_ERROR_PROTOCOL:
    case MAILIMAP_ERROR_NEEDS_MORE_DATA:
      return absl::DataLossError(absl::StrCat("imap: ", what, ": the answer cannot be read"));
    default:
      // Every other code says which command was refused.
      return absl::FailedPreconditionError(text);
  }
}

std::string OpenSslError() {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof(text));
  return text;
}

// Debian's libetpan is built with GnuTLS, with which it checks no certificates. So we do, with the
// chain that the server has shown (and in the handshake proved to hold the key of), before anything
// is sent.
absl::Status VerifyServer(mailstream* stream, const ServerLogin& login) {
  carray* chain = mailstream_get_certificate_chain(stream);
  if (chain == nullptr) return absl::UnauthenticatedError("imap: the server shows no certificate");
  const absl::Cleanup free_chain = [chain] { mailstream_certificate_chain_free(chain); };

  Owned<X509_STORE, X509_STORE_free> store(X509_STORE_new());
  const bool loaded = login.ca_file.empty()
                          ? X509_STORE_set_default_paths(store.get()) == 1
                          : X509_STORE_load_file(store.get(), login.ca_file.c_str()) == 1;
  if (!loaded) {
    return absl::UnavailableError(
        absl::StrCat("imap: cannot read the authorities: ", OpenSslError()));
  }
  Owned<STACK_OF(X509), [](STACK_OF(X509) * s) { sk_X509_pop_free(s, X509_free); }> untrusted(
      sk_X509_new_null());
  Owned<X509, X509_free> leaf;
  for (unsigned int i = 0; i < carray_count(chain); ++i) {
    const auto* der = static_cast<const MMAPString*>(carray_get(chain, i));
    const auto* bytes = reinterpret_cast<const unsigned char*>(der->str);
    Owned<X509, X509_free> certificate(d2i_X509(nullptr, &bytes, static_cast<long>(der->len)));
    if (certificate == nullptr) {
      return absl::UnauthenticatedError("imap: the server's certificate cannot be read");
    }
    if (leaf == nullptr) {
      leaf = std::move(certificate);
    } else {
      sk_X509_push(untrusted.get(), certificate.release());
    }
  }
  if (leaf == nullptr) return absl::UnauthenticatedError("imap: the server shows no certificate");

  Owned<X509_STORE_CTX, X509_STORE_CTX_free> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), untrusted.get());
  X509_STORE_CTX_set_default(context.get(), "ssl_server");
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  if (X509_VERIFY_PARAM_set1_ip_asc(parameters, login.host.c_str()) != 1) {
    X509_VERIFY_PARAM_set1_host(parameters, login.host.data(), login.host.size());
  }
  if (X509_verify_cert(context.get()) != 1) {
    const int error = X509_STORE_CTX_get_error(context.get());
    return absl::UnauthenticatedError(
        absl::StrCat("imap: the certificate of ", login.host,
                     " is not good: ", X509_verify_cert_error_string(error)));
  }
  return absl::OkStatus();
}

void SetServerName(mailstream_ssl_context* context, void* host) {
  mailstream_ssl_set_server_name(context, static_cast<char*>(host));
}

Owned<mailimap_set, mailimap_set_free> MakeSet(absl::Span<const uint32_t> uids) {
  Owned<mailimap_set, mailimap_set_free> set(mailimap_set_new_empty());
  for (size_t i = 0; i < uids.size();) {
    size_t end = i + 1;
    while (end < uids.size() && uids[end] == uids[end - 1] + 1) ++end;
    mailimap_set_add_interval(set.get(), uids[i], uids[end - 1]);
    i = end;
  }
  return set;
}

std::optional<absl::Time> ToTime(const mailimap_date_time& t) {
  const absl::CivilSecond civil(t.dt_year, t.dt_month, t.dt_day, t.dt_hour, t.dt_min, t.dt_sec);
  if (civil.year() < 1970 || civil.year() > 9999) return std::nullopt;
  // dt_zone is +hhmm as a number.
  const int offset = (t.dt_zone / 100) * 60 + t.dt_zone % 100;
  return absl::FromCivil(civil, absl::UTCTimeZone()) - absl::Minutes(offset);
}

// The static items of one message in a FETCH answer.
template <class Visit>
void ForEachStatic(const mailimap_msg_att* message, Visit visit) {
  for (clistiter* it = clist_begin(message->att_list); it != nullptr; it = clist_next(it)) {
    const auto* item = static_cast<const mailimap_msg_att_item*>(clist_content(it));
    if (item->att_type == MAILIMAP_MSG_ATT_ITEM_STATIC) visit(*item->att_data.att_static);
  }
}

absl::StatusOr<Owned<clist, mailimap_fetch_list_free>> RunFetch(
    mailimap* session, absl::Span<const uint32_t> uids,
    std::initializer_list<mailimap_fetch_att*> items, absl::string_view what) {
  Owned<mailimap_fetch_type, mailimap_fetch_type_free> type(
      mailimap_fetch_type_new_fetch_att_list_empty());
  for (mailimap_fetch_att* item : items) {
    mailimap_fetch_type_new_fetch_att_list_add(type.get(), item);
  }
  const auto set = MakeSet(uids);
  clist* result = nullptr;
  const int code = mailimap_uid_fetch(session, set.get(), type.get(), &result);
  Owned<clist, mailimap_fetch_list_free> owned(result);
  WISSEL_RETURN_IF_ERROR(ToStatus(code, session, what));
  return owned;
}

}  // namespace

struct ImapConnection::Session {
  Owned<mailimap, mailimap_free> imap;
  bool can_idle = false;
  // Messages in the folder as the server had told when the last search began. It may tell of more
  // in any answer from then on, and not again in IDLE.
  uint32_t searched = 0;
};

ImapConnection::ImapConnection(std::unique_ptr<Session> session) : session_(std::move(session)) {}

ImapConnection::~ImapConnection() {
  if (session_->imap->imap_stream != nullptr) mailstream_unsetup_idle(session_->imap->imap_stream);
}

absl::StatusOr<std::unique_ptr<ImapConnection>> ImapConnection::Open(const ServerLogin& login) {
  auto session = std::make_unique<Session>();
  session->imap.reset(mailimap_new(0, nullptr));
  mailimap* imap = session->imap.get();
  mailimap_set_timeout(imap, absl::ToInt64Seconds(absl::Ceil(login.timeout, absl::Seconds(1))));
  const std::string where = absl::StrCat("connect to ", login.host, ":", login.port);
  char* host = const_cast<char*>(login.host.c_str());
  switch (login.security) {
    case Security::kTls:
      WISSEL_RETURN_IF_ERROR(
          ToStatus(mailimap_ssl_connect_with_callback(imap, login.host.c_str(), login.port,
                                                      &SetServerName, host),
                   nullptr, where));
      break;
    case Security::kStartTls:
      WISSEL_RETURN_IF_ERROR(
          ToStatus(mailimap_socket_connect(imap, login.host.c_str(), login.port), nullptr, where));
      WISSEL_RETURN_IF_ERROR(ToStatus(
          mailimap_socket_starttls_with_callback(imap, &SetServerName, host), imap, "STARTTLS"));
      break;
    case Security::kNone:
      WISSEL_RETURN_IF_ERROR(
          ToStatus(mailimap_socket_connect(imap, login.host.c_str(), login.port), nullptr, where));
      break;
  }
  if (login.security != Security::kNone) {
    WISSEL_RETURN_IF_ERROR(VerifyServer(imap->imap_stream, login));
  }
  absl::Status status =
      ToStatus(mailimap_login(imap, login.user.c_str(), login.password.c_str()), imap, "LOGIN");
  if (status.code() == absl::StatusCode::kFailedPrecondition) {
    return absl::UnauthenticatedError(status.message());
  }
  WISSEL_RETURN_IF_ERROR(status);
  // The answer is kept in the session, where mailimap_has_idle looks.
  mailimap_capability_data* capabilities = nullptr;
  status = ToStatus(mailimap_capability(imap, &capabilities), imap, "CAPABILITY");
  if (capabilities != nullptr) mailimap_capability_data_free(capabilities);
  WISSEL_RETURN_IF_ERROR(status);
  session->can_idle = mailimap_has_idle(imap) != 0 && mailstream_setup_idle(imap->imap_stream) == 0;
  return std::unique_ptr<ImapConnection>(new ImapConnection(std::move(session)));
}

absl::StatusOr<SelectedFolder> ImapConnection::Select(const std::string& folder,
                                                      absl::string_view keyword) {
  mailimap* imap = session_->imap.get();
  WISSEL_RETURN_IF_ERROR(ToStatus(mailimap_select(imap, folder.c_str()), imap, "SELECT"));
  SelectedFolder selected;
  const mailimap_selection_info* info = imap->imap_selection_info;
  selected.uid_validity = info->sel_uidvalidity;
  if (info->sel_perm_flags != nullptr) {
    for (clistiter* it = clist_begin(info->sel_perm_flags); it != nullptr; it = clist_next(it)) {
      const auto* flag = static_cast<const mailimap_flag_perm*>(clist_content(it));
      selected.keeps_keyword |=
          flag->fl_type == MAILIMAP_FLAG_PERM_ALL ||
          (flag->fl_type == MAILIMAP_FLAG_PERM_FLAG &&
           flag->fl_flag->fl_type == MAILIMAP_FLAG_KEYWORD &&
           absl::EqualsIgnoreCase(flag->fl_flag->fl_data.fl_keyword, keyword));
    }
  }
  return selected;
}

absl::StatusOr<std::vector<uint32_t>> ImapConnection::Search(absl::string_view without_keyword,
                                                             std::optional<absl::CivilDay> since) {
  mailimap* imap = session_->imap.get();
  session_->searched = imap->imap_selection_info->sel_exists;
  // Written out, as libetpan's own search puts keywords into quotes, which RFC 3501 does not allow.
  std::string command = "UID SEARCH";
  absl::StrAppend(&command, without_keyword.empty() ? " ALL" : " UNKEYWORD ", without_keyword);
  if (since) {
    absl::StrAppend(&command, " SINCE ",
                    absl::FormatTime("%d-%b-%Y", absl::FromCivil(*since, absl::UTCTimeZone()),
                                     absl::UTCTimeZone()));
  }
  WISSEL_RETURN_IF_ERROR(
      ToStatus(mailimap_custom_command(imap, command.c_str()), imap, "UID SEARCH"));
  std::vector<uint32_t> uids;
  if (const clist* result = imap->imap_response_info->rsp_search_result; result != nullptr) {
    for (clistiter* it = clist_begin(result); it != nullptr; it = clist_next(it)) {
      uids.push_back(*static_cast<const uint32_t*>(clist_content(it)));
    }
  }
  std::sort(uids.begin(), uids.end());
  return uids;
}

absl::StatusOr<std::vector<MailSize>> ImapConnection::FetchSizes(absl::Span<const uint32_t> uids) {
  WISSEL_ASSIGN_OR_RETURN(const auto list, RunFetch(session_->imap.get(), uids,
                                                    {mailimap_fetch_att_new_uid(),
                                                     mailimap_fetch_att_new_rfc822_size()},
                                                    "UID FETCH RFC822.SIZE"));
  std::vector<MailSize> sizes;
  for (clistiter* it = clist_begin(list.get()); it != nullptr; it = clist_next(it)) {
    MailSize size;
    ForEachStatic(static_cast<const mailimap_msg_att*>(clist_content(it)),
                  [&](const mailimap_msg_att_static& item) {
                    if (item.att_type == MAILIMAP_MSG_ATT_UID) size.uid = item.att_data.att_uid;
                    if (item.att_type == MAILIMAP_MSG_ATT_RFC822_SIZE) {
                      size.bytes = item.att_data.att_rfc822_size;
                    }
                  });
    // Servers may tell of other messages in between.
    if (std::binary_search(uids.begin(), uids.end(), size.uid)) sizes.push_back(size);
  }
  std::sort(sizes.begin(), sizes.end(),
            [](const MailSize& a, const MailSize& b) { return a.uid < b.uid; });
  return sizes;
}

absl::StatusOr<std::vector<FetchedMail>> ImapConnection::Fetch(absl::Span<const uint32_t> uids,
                                                               Part part) {
  mailimap_section* section =
      part == Part::kHeader ? mailimap_section_new_header() : mailimap_section_new(nullptr);
  WISSEL_ASSIGN_OR_RETURN(
      const auto list,
      RunFetch(session_->imap.get(), uids,
               {mailimap_fetch_att_new_uid(), mailimap_fetch_att_new_internaldate(),
                mailimap_fetch_att_new_body_peek_section(section)},
               "UID FETCH BODY"));
  std::vector<FetchedMail> mails;
  for (clistiter* it = clist_begin(list.get()); it != nullptr; it = clist_next(it)) {
    FetchedMail mail;
    bool has_body = false;
    ForEachStatic(static_cast<const mailimap_msg_att*>(clist_content(it)),
                  [&](const mailimap_msg_att_static& item) {
                    if (item.att_type == MAILIMAP_MSG_ATT_UID) {
                      mail.uid = item.att_data.att_uid;
                    } else if (item.att_type == MAILIMAP_MSG_ATT_INTERNALDATE) {
                      mail.received = ToTime(*item.att_data.att_internal_date);
                    } else if (item.att_type == MAILIMAP_MSG_ATT_BODY_SECTION) {
                      const mailimap_msg_att_body_section& body = *item.att_data.att_body_section;
                      has_body = true;
                      if (body.sec_body_part != nullptr) {
                        mail.bytes.assign(body.sec_body_part, body.sec_length);
                      }
                    }
                  });
    if (has_body && std::binary_search(uids.begin(), uids.end(), mail.uid)) {
      mails.push_back(std::move(mail));
    }
  }
  return mails;
}

absl::Status ImapConnection::AddKeyword(absl::Span<const uint32_t> uids,
                                        absl::string_view keyword) {
  mailimap* imap = session_->imap.get();
  mailimap_flag_list* flags = mailimap_flag_list_new_empty();
  mailimap_flag_list_add(flags, mailimap_flag_new_flag_keyword(Copy(keyword)));
  Owned<mailimap_store_att_flags, mailimap_store_att_flags_free> store(
      mailimap_store_att_flags_new_add_flags_silent(flags));
  const auto set = MakeSet(uids);
  return ToStatus(mailimap_uid_store(imap, set.get(), store.get()), imap, "UID STORE");
}

absl::Status ImapConnection::WaitForChange(absl::Duration limit, absl::Duration poll_interval) {
  mailimap* imap = session_->imap.get();
  if (!session_->can_idle) {
    {
      MutexLock lock(mutex_);
      const Timeout timeout(std::min(limit, poll_interval));
      while (!interrupted_ && !timeout.Expired()) {
        interrupted_changed_.WaitFor(mutex_, timeout.Remaining());
      }
      interrupted_ = false;
    }
    return ToStatus(mailimap_noop(imap), imap, "NOOP");
  }
  WISSEL_RETURN_IF_ERROR(ToStatus(mailimap_idle(imap), imap, "IDLE"));
  const int seconds = static_cast<int>(std::max<int64_t>(1, absl::ToInt64Seconds(limit)));
  // The wait looks at the socket alone: what has been read off it already would not end it.
  const bool changed = imap->imap_selection_info->sel_exists != session_->searched ||
                       imap->imap_stream->read_buffer_len > 0;
  const int reason =
      changed ? MAILSTREAM_IDLE_HASDATA : mailstream_wait_idle(imap->imap_stream, seconds);
  if (reason == MAILSTREAM_IDLE_ERROR || reason == MAILSTREAM_IDLE_CANCELLED) {
    return absl::UnavailableError("imap: IDLE: connection lost");
  }
  return ToStatus(mailimap_idle_done(imap), imap, "IDLE");
}

void ImapConnection::Interrupt() {
  MutexLock lock(mutex_);
  if (session_->can_idle) {
    mailstream_interrupt_idle(session_->imap->imap_stream);
    return;
  }
  interrupted_ = true;
  interrupted_changed_.NotifyAll();
}

}  // namespace wissel::email
