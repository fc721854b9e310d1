#include "libs/http/client.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <thread>
#include <unordered_map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "libs/base/backoff.h"
#include "libs/base/mutex.h"
#include "libs/base/notification.h"
#include "libs/base/thread.h"

namespace wissel::http {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct MimeDeleter {
  void operator()(curl_mime* mime) const { curl_mime_free(mime); }
};

// One accepted request through all its attempts. Belongs to the client's thread once submitted.
struct Job {
  Job(FetchRequest request_in, FetchOptions options_in, FetchCallback callback_in, uint64_t seed)
      : request(std::move(request_in)),
        options(std::move(options_in)),
        callback(std::move(callback_in)),
        backoff({.initial = options.initial_backoff, .max = options.max_backoff}, seed) {}
  ~Job() {
    if (file >= 0) close(file);
  }

  FetchRequest request;
  FetchOptions options;
  FetchCallback callback;
  Backoff backoff;

  // The handle refers to both others: it goes first, that is, stands last.
  std::unique_ptr<curl_slist, ListDeleter> headers;
  std::unique_ptr<curl_mime, MimeDeleter> form;
  std::unique_ptr<CURL, EasyDeleter> easy;
  char error_text[CURL_ERROR_SIZE] = "";
  int file = -1;
  const SteadyTime submitted = std::chrono::steady_clock::now();
  SteadyTime started;
  FetchResult result;
  std::string local_error;  // Why one of the callbacks below ended the transfer.
};

size_t OnBody(char* data, size_t, size_t size, void* user) {
  Job& job = *static_cast<Job*>(user);
  FetchResult& result = job.result;
  result.body_bytes += static_cast<int64_t>(size);
  if (result.body_bytes > job.options.max_response_bytes) {
    result.too_large = true;
    job.local_error = absl::StrCat("answer larger than ", job.options.max_response_bytes, " bytes");
    return CURL_WRITEFUNC_ERROR;
  }
  if (!job.options.download_path.empty()) {
    long status = 0;
    curl_easy_getinfo(job.easy.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300) {
      if (job.file < 0) {
        job.file = open(job.options.download_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                        S_IRUSR | S_IWUSR);
      }
      for (size_t done = 0; done < size;) {
        const ssize_t n = job.file < 0 ? -1 : write(job.file, data + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
          job.local_error = absl::StrCat(job.options.download_path, ": ", strerror(errno));
          return CURL_WRITEFUNC_ERROR;
        }
        done += static_cast<size_t>(n);
      }
      return size;
    }
  }
  result.body.append(data, size);
  return size;
}

size_t OnHeader(char* data, size_t, size_t size, void* user) {
  Job& job = *static_cast<Job*>(user);
  const absl::string_view line = absl::StripAsciiWhitespace(absl::string_view(data, size));
  if (absl::StartsWith(line, "HTTP/")) {
    job.result.headers.clear();  // After an interim answer (1xx) the final one begins.
    return size;
  }
  const size_t colon = line.find(':');
  if (colon != absl::string_view::npos) {
    job.result.headers.push_back({std::string(line.substr(0, colon)),
                                  std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)))});
  }
  return size;
}

long Milliseconds(absl::Duration duration) {
  return static_cast<long>(
      std::clamp<int64_t>(absl::ToInt64Milliseconds(duration), 1, 24 * 3600 * 1000));
}

class CurlClient final : public Client {
 public:
  CurlClient(ClientOptions options, CURLM* multi) : options_(std::move(options)), multi_(multi) {
    curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS,
                      static_cast<long>(options_.max_connections_per_host));
    thread_ = StartThread("http-client", [this] { Run(); });
  }

  ~CurlClient() override {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
    curl_multi_cleanup(multi_);
  }

  absl::Status Fetch(FetchRequest request, FetchOptions options, FetchCallback callback) override {
    {
      MutexLock lock(mutex_);
      if (stopping_) return absl::UnavailableError("http client is stopping");
      if (pending_ >= options_.max_queued) {
        return absl::ResourceExhaustedError(
            absl::StrCat("http client has ", pending_, " requests under way"));
      }
      ++pending_;
      submitted_.push_back(std::make_unique<Job>(std::move(request), std::move(options),
                                                 std::move(callback), ++seed_));
    }
    curl_multi_wakeup(multi_);
    return absl::OkStatus();
  }

 private:
  void Run() {
    for (;;) {
      std::vector<std::unique_ptr<Job>> fresh;
      {
        MutexLock lock(mutex_);
        if (stopping_) break;
        fresh.swap(submitted_);
      }
      for (auto& job : fresh) Begin(std::move(job));
      const SteadyTime now = std::chrono::steady_clock::now();
      while (!delayed_.empty() && delayed_.begin()->first <= now) {
        std::unique_ptr<Job> job = std::move(delayed_.begin()->second);
        delayed_.erase(delayed_.begin());
        Begin(std::move(job));
      }
      int running = 0;
      curl_multi_perform(multi_, &running);
      Reap();
      int wait_ms = 1000;
      if (!delayed_.empty()) {
        const auto until = std::chrono::duration_cast<std::chrono::milliseconds>(
            delayed_.begin()->first - std::chrono::steady_clock::now());
        wait_ms = static_cast<int>(std::clamp<int64_t>(until.count() + 1, 0, wait_ms));
      }
      curl_multi_poll(multi_, nullptr, 0, wait_ms, nullptr);
    }
    Abandon();
  }

  void Begin(std::unique_ptr<Job> owned) {
    Job& job = *owned;
    const int attempts = job.result.attempts + 1;
    job.result = {};
    job.result.attempts = attempts;
    job.local_error.clear();
    job.started = std::chrono::steady_clock::now();
    // After a pause of this thread or process: the caller may have given the request up by now.
    if (attempts == 1 &&
        job.started - job.submitted > absl::ToChronoNanoseconds(job.options.total_timeout)) {
      job.result.error = "the request's time had passed before it could begin";
      return Finish(std::move(owned));
    }
    job.easy.reset();
    job.form.reset();
    job.headers.reset();
    job.easy.reset(curl_easy_init());
    CURL* easy = job.easy.get();
    if (easy == nullptr || !Prepare(job)) {
      job.result.error = "cannot prepare the request (bad header, method or file)";
      return Finish(std::move(owned));
    }
    active_.emplace(easy, std::move(owned));
    if (curl_multi_add_handle(multi_, easy) != CURLM_OK) {
      std::unique_ptr<Job> back = Take(easy);
      back->result.error = "cannot start the request";
      Finish(std::move(back));
    }
  }

  bool Prepare(Job& job) {
    CURL* easy = job.easy.get();
    const FetchRequest& request = job.request;
    const FetchOptions& options = job.options;
    bool ok = true;
    const auto set = [&](CURLoption option, auto value) {
      ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK;
    };
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    if (!absl::StartsWithIgnoreCase(request.url, "https:")) set(CURLOPT_PROXY, "");
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
    set(CURLOPT_USERAGENT, options_.user_agent.c_str());
    set(CURLOPT_CONNECTTIMEOUT_MS, Milliseconds(options.connect_timeout));
    set(CURLOPT_TIMEOUT_MS, Milliseconds(options.total_timeout));
    set(CURLOPT_ERRORBUFFER, job.error_text);
    job.error_text[0] = '\0';
    set(CURLOPT_WRITEFUNCTION, &OnBody);
    set(CURLOPT_WRITEDATA, &job);
    set(CURLOPT_HEADERFUNCTION, &OnHeader);
    set(CURLOPT_HEADERDATA, &job);
    if (!options.idempotent) set(CURLOPT_FRESH_CONNECT, 1L);
    // "Expect:" empty: no waiting for 100 Continue before a body.
    if (!Append(job, "Expect:")) return false;
    for (const Header& header : request.headers) {
      if (header.name.find_first_of("\r\n:") != std::string::npos ||
          header.value.find_first_of("\r\n") != std::string::npos) {
        return false;
      }
      // curl's spelling of a header without a value.
      const std::string line = header.value.empty() ? absl::StrCat(header.name, ";")
                                                    : absl::StrCat(header.name, ": ", header.value);
      if (!Append(job, line)) return false;
    }
    if (!request.form.empty()) {
      job.form.reset(curl_mime_init(easy));
      for (const FormPart& part : request.form) {
        curl_mimepart* mime = curl_mime_addpart(job.form.get());
        const auto check = [&](CURLcode code) { ok = ok && code == CURLE_OK; };
        check(curl_mime_name(mime, part.name.c_str()));
        check(part.file_path.empty() ? curl_mime_data(mime, part.value.data(), part.value.size())
                                     : curl_mime_filedata(mime, part.file_path.c_str()));
        check(curl_mime_filename(mime, part.file_name.empty() ? nullptr : part.file_name.c_str()));
        if (!part.content_type.empty()) check(curl_mime_type(mime, part.content_type.c_str()));
      }
      set(CURLOPT_MIMEPOST, job.form.get());
    } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT" ||
               request.method == "PATCH") {
      set(CURLOPT_POST, 1L);
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      set(CURLOPT_POSTFIELDS, request.body.data());
    }
    if (request.method == "HEAD") {
      set(CURLOPT_NOBODY, 1L);
    } else {
      set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
    set(CURLOPT_HTTPHEADER, job.headers.get());
    return ok;
  }

  static bool Append(Job& job, const std::string& line) {
    curl_slist* longer = curl_slist_append(job.headers.get(), line.c_str());
    if (longer == nullptr) return false;
    if (job.headers == nullptr) job.headers.reset(longer);
    return true;
  }

  std::unique_ptr<Job> Take(CURL* easy) {
    const auto it = active_.find(easy);
    std::unique_ptr<Job> job = std::move(it->second);
    active_.erase(it);
    return job;
  }

  void Reap() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      CURL* easy = message->easy_handle;
      curl_multi_remove_handle(multi_, easy);
      std::unique_ptr<Job> job = Take(easy);
      Judge(*job, code);
      if (!Retry(job)) Finish(std::move(job));
    }
  }

  static void Judge(Job& job, CURLcode code) {
    FetchResult& result = job.result;
    result.elapsed = absl::FromChrono(std::chrono::steady_clock::now() - job.started);
    long status = 0;
    curl_easy_getinfo(job.easy.get(), CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK) {
      result.fate = Fate::kAnswered;
      result.status = static_cast<int>(status);
      return;
    }
    // Bytes of the request written to the connection: none means that nobody can have read any.
    long sent_bytes = 0;
    curl_easy_getinfo(job.easy.get(), CURLINFO_REQUEST_SIZE, &sent_bytes);
    result.fate = sent_bytes == 0 ? Fate::kNotSent : Fate::kUnknown;
    result.error = !job.local_error.empty()    ? job.local_error
                   : job.error_text[0] != '\0' ? std::string(job.error_text)
                                               : std::string(curl_easy_strerror(code));
    result.headers.clear();
    result.body.clear();
  }

  bool Retry(std::unique_ptr<Job>& job) {
    const FetchResult& result = job->result;
    const FetchOptions& options = job->options;
    if (result.attempts >= options.max_attempts || result.too_large || !job->local_error.empty()) {
      return false;
    }
    bool retry = false;
    switch (result.fate) {
      case Fate::kNotSent:
        retry = true;
        break;
      case Fate::kUnknown:
        retry = options.idempotent;
        break;
      case Fate::kAnswered:
        retry = result.status == 429 || result.status == 503 ||
                (options.idempotent &&
                 (result.status == 500 || result.status == 502 || result.status == 504));
        break;
    }
    if (!retry) return false;
    const absl::Duration asked = result.RetryAfter(absl::Now());
    if (asked > options.max_backoff) return false;
    const absl::Duration delay = std::max(asked, job->backoff.Next());
    CloseFile(*job);
    const SteadyTime due = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(delay);
    delayed_.emplace(due, std::move(job));
    return true;
  }

  static void CloseFile(Job& job) {
    if (job.file < 0) return;
    close(job.file);
    job.file = -1;
  }

  void Finish(std::unique_ptr<Job> job) {
    const bool wrote = job->file >= 0;
    CloseFile(*job);
    if (!job->options.download_path.empty() && !job->result.ok()) {
      unlink(job->options.download_path.c_str());
    } else if (!job->options.download_path.empty() && !wrote) {
      // An empty body never reached OnBody.
      const int file = open(job->options.download_path.c_str(),
                            O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
      if (file >= 0) close(file);
    }
    {
      MutexLock lock(mutex_);
      --pending_;
    }
    std::move(job->callback)(std::move(job->result));
  }

  void Abandon() {
    std::vector<std::unique_ptr<Job>> rest;
    for (auto& [easy, job] : active_) {
      curl_multi_remove_handle(multi_, easy);
      Judge(*job, CURLE_ABORTED_BY_CALLBACK);
      rest.push_back(std::move(job));
    }
    active_.clear();
    for (auto& [due, job] : delayed_) rest.push_back(std::move(job));
    delayed_.clear();
    {
      MutexLock lock(mutex_);
      for (auto& job : submitted_) rest.push_back(std::move(job));
      submitted_.clear();
    }
    for (auto& job : rest) {
      if (job->result.error.empty()) job->result.error = "http client stopped";
      Finish(std::move(job));
    }
  }

  const ClientOptions options_;
  CURLM* const multi_;

  Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int pending_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t seed_ ABSL_GUARDED_BY(mutex_) = static_cast<uint64_t>(absl::ToUnixNanos(absl::Now()));
  std::vector<std::unique_ptr<Job>> submitted_ ABSL_GUARDED_BY(mutex_);

  // The thread's own.
  std::unordered_map<CURL*, std::unique_ptr<Job>> active_;
  std::multimap<SteadyTime, std::unique_ptr<Job>> delayed_;
  std::jthread thread_;
};

}  // namespace

absl::Duration FetchResult::RetryAfter(absl::Time now) const {
  const std::optional<absl::string_view> value = FindHeader(headers, "Retry-After");
  if (!value) return absl::ZeroDuration();
  int64_t seconds = 0;
  if (absl::SimpleAtoi(*value, &seconds)) {
    return absl::Seconds(std::clamp<int64_t>(seconds, 0, 7 * 24 * 3600));
  }
  absl::Time date;
  if (absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", *value, &date, nullptr)) {
    return std::max(date - now, absl::ZeroDuration());
  }
  return absl::ZeroDuration();
}

absl::StatusOr<std::unique_ptr<Client>> Client::Create(ClientOptions options) {
  // Thread-safe and once: a static's initialiser.
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_ALL);
  if (initialised != CURLE_OK) return absl::InternalError("libcurl does not initialise");
  CURLM* multi = curl_multi_init();
  if (multi == nullptr) return absl::ResourceExhaustedError("libcurl does not start");
  return std::make_unique<CurlClient>(std::move(options), multi);
}

FetchResult Client::FetchAndWait(FetchRequest request, FetchOptions options) {
  FetchResult result;
  Notification done;
  const absl::Status status =
      Fetch(std::move(request), std::move(options), [&](FetchResult fetched) {
        result = std::move(fetched);
        done.Notify();
      });
  if (!status.ok()) {
    result.error = std::string(status.message());
    return result;
  }
  done.Wait();
  return result;
}

}  // namespace wissel::http
