#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace wissel::http {

struct Header {
  std::string name;
  std::string value;
};
using Headers = std::vector<Header>;

// The first header with that name (names compare without regard to case), or nothing.
std::optional<absl::string_view> FindHeader(const Headers& headers, absl::string_view name);

// Decodes %XX; a `+` stays a plus in paths and becomes a space in queries and forms (URL standard,
// application/x-www-form-urlencoded). Nothing when an escape is cut off or not hexadecimal.
std::optional<std::string> DecodePath(absl::string_view text);
std::optional<std::string> DecodeQuery(absl::string_view text);

// Escapes everything but RFC 3986's unreserved characters, so that the result fits in any part of a
// URL.
std::string Encode(absl::string_view text);

// The pairs of `a=1&b=2`, decoded, in order; pairs that do not decode are left out.
std::vector<std::pair<std::string, std::string>> ParseQuery(absl::string_view query);

struct Request {
  std::string method;  // As sent: methods are case-sensitive (RFC 9110, 9.1).
  std::string path;    // Raw, without the query, beginning with '/'.
  std::string query;   // Raw, without the '?'.
  Headers headers;
  std::string body;  // Exactly the bytes received, after removal of chunked framing only.
  std::string peer;  // "address:port" of the other end of the connection.

  // The first value of a query parameter, decoded.
  std::optional<std::string> QueryParameter(absl::string_view name) const;
};

struct Response {
  int status = 200;
  std::string body;
  std::string content_type;  // Left out when empty.
  Headers headers;           // Beside Content-Length, Content-Type, Connection, Server and Date.
};

Response TextResponse(int status, absl::string_view text);
Response JsonResponse(int status, std::string json);

// What RFC 9110 calls the status, "Unknown" where it has no name for it.
absl::string_view ReasonPhrase(int status);

}  // namespace wissel::http
