#include "services/email/html_text.h"

#include <gumbo.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "libs/base/utf8.h"
#include "services/email/charset.h"

namespace wissel::email {
namespace {

constexpr size_t kMaxTreeBytes = 128 << 20;
constexpr size_t kChunkBytes = 64 << 10;
constexpr int kMaxOpenTags = 1000;
constexpr size_t kMaxTagBytes = 16;
constexpr size_t kMaxTextBytes = 4 << 20;

// The attributes that are read.
constexpr std::array<absl::string_view, 3> kAttributes = {"alt", "href", "style"};

// The tree's memory. Gumbo has no limit of its own and does not check for failed allocations, but
// it repairs wrongly nested tags by copying them, so that a small page can grow without end. Beyond
// the budget, Allocate leaves the parser with longjmp: the parser is plain C and all that it holds
// is in here.
class Arena {
 public:
  explicit Arena(size_t budget) : left_(budget) {}
  ~Arena() {
    for (void* chunk : chunks_) std::free(chunk);
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  static void* Allocate(void* self, size_t size) {
    return static_cast<Arena*>(self)->DoAllocate(size);
  }
  static void Free(void*, void*) {}

  std::jmp_buf exhausted;

 private:
  void* DoAllocate(size_t size) {
    size = (size + 15) & ~size_t{15};
    if (size > room_) {
      const size_t chunk = size > kChunkBytes ? size : kChunkBytes;
      void* fresh = chunk > left_ ? nullptr : std::malloc(chunk);
      if (fresh == nullptr) std::longjmp(exhausted, 1);
      left_ -= chunk;
      chunks_.push_back(fresh);
      next_ = static_cast<char*>(fresh);
      room_ = chunk;
    }
    void* result = next_;
    next_ += size;
    room_ -= size;
    return result;
  }

  size_t left_;
  size_t room_ = 0;
  char* next_ = nullptr;
  std::vector<void*> chunks_;
};

// Whether what stands in the element is neither tags nor shown.
bool IsRaw(absl::string_view tag) {
  static constexpr std::array<absl::string_view, 6> kTags = {"script", "style",    "title",
                                                             "iframe", "noframes", "noembed"};
  return std::any_of(kTags.begin(), kTags.end(),
                     [&](absl::string_view t) { return absl::EqualsIgnoreCase(t, tag); });
}

struct Tag {
  absl::string_view name;
  bool self_closing = false;
  // Of kAttributes, in their order; without quotes.
  std::array<std::optional<absl::string_view>, kAttributes.size()> values;
};

// Takes the tag that `html` starts with, just behind "<" or "</", up to and with its ">" (WHATWG,
// HTML, section 13.2.5). Nothing where it does not end.
std::optional<Tag> TakeTag(absl::string_view* html) {
  const auto take_until = [html](absl::string_view ends) {
    const absl::string_view taken = html->substr(0, html->find_first_of(ends));
    html->remove_prefix(taken.size());
    return taken;
  };
  const auto skip = [html](absl::string_view what) {
    html->remove_prefix(std::min(html->find_first_not_of(what), html->size()));
  };
  Tag tag{.name = take_until(" \t\n\f\r/>"), .values = {}};
  while (true) {
    const char* const start = html->data();
    skip(" \t\n\f\r/");
    if (html->empty()) return std::nullopt;
    if (html->front() == '>') {
      tag.self_closing = html->data() > start && html->data()[-1] == '/';
      html->remove_prefix(1);
      return tag;
    }
    // A name may begin with what else ends it.
    const absl::string_view rest = *html;
    html->remove_prefix(1);
    const absl::string_view name = rest.substr(0, 1 + take_until(" \t\n\f\r/>=").size());
    skip(" \t\n\f\r");
    absl::string_view value;
    if (absl::ConsumePrefix(html, "=")) {
      skip(" \t\n\f\r");
      if (absl::StartsWith(*html, "\"") || absl::StartsWith(*html, "'")) {
        const absl::string_view quote = html->substr(0, 1);
        html->remove_prefix(1);
        value = take_until(quote);
        if (html->empty()) return std::nullopt;
        html->remove_prefix(1);
      } else {
        value = take_until(" \t\n\f\r>");
      }
    }
    for (size_t i = 0; i < kAttributes.size(); ++i) {
      if (!tag.values[i] && absl::EqualsIgnoreCase(name, kAttributes[i])) tag.values[i] = value;
    }
  }
}

// The page as far as it is read: without comments, scripts, styles and the attributes that nobody
// looks at, and no more than kMaxHtmlTags tags of it. Gumbo compares every attribute with all
// others of its tag, and looks for most tags among all that are open; which those are cannot be
// told without building the tree.
//
// Nor would libxml2 2.9.14 do without: its SAX parser takes over a minute for 2 MB of attributes of
// one tag or of </i> in open <b> (0.06 s for paragraphs), its tree ends at 256 open tags, and it
// reads HTML 4: `<![if !mso]>` is shown, &check; is unknown. Tidy 5.6: over 20 s for 200 KB.
std::string Simplify(absl::string_view html) {
  std::string out;
  out.reserve(html.size());
  for (int tags = 0; tags < kMaxHtmlTags; ++tags) {
    const size_t text = std::min(html.find('<'), html.size());
    out.append(html.data(), text);
    html.remove_prefix(text);
    if (html.empty()) break;
    if (absl::StartsWith(html, "<!--")) {
      const size_t end = html.find("-->", 2);  // "<!-->" is one
      if (end == absl::string_view::npos) break;
      html.remove_prefix(end + 3);
      continue;
    }
    const size_t name = absl::StartsWith(html, "</") ? 2 : 1;
    if (name == html.size() || !absl::ascii_isalpha(html[name])) {
      if (name == 1 && !absl::StartsWith(html, "<!") && !absl::StartsWith(html, "<?")) {
        out.append("&lt;");
        html.remove_prefix(1);
        continue;
      }
      const size_t end = html.find('>');
      if (end == absl::string_view::npos) break;
      html.remove_prefix(end + 1);
      continue;
    }
    const absl::string_view opening = html.substr(0, name);
    html.remove_prefix(name);
    const std::optional<Tag> tag = TakeTag(&html);
    if (!tag) break;
    const bool plain = std::all_of(tag->name.begin(), tag->name.end(), [](char c) {
      return absl::ascii_isalnum(c) || c == '-' || c == ':' || c == '_';
    });
    if (!plain) continue;  // e.g. an address in angle brackets
    absl::StrAppend(&out, opening, tag->name);
    for (size_t i = 0; i < kAttributes.size(); ++i) {
      if (!tag->values[i]) continue;
      absl::StrAppend(
          &out, " ", kAttributes[i], "=\"",
          absl::StrReplaceAll(*tag->values[i], {{"\"", "&quot;"}, {"<", "&lt;"}, {">", "&gt;"}}),
          "\"");
    }
    out.append(tag->self_closing ? "/>" : ">");
    if (opening == "<" && !tag->self_closing && IsRaw(tag->name)) {
      size_t end = 0;
      while ((end = html.find("</", end)) != absl::string_view::npos &&
             !absl::StartsWithIgnoreCase(html.substr(end + 2), tag->name)) {
        end += 2;
      }
      if (end == absl::string_view::npos) break;
      html.remove_prefix(end);
    }
  }
  return out;
}

// The tags that are never closed, or that another one closes: not counted as nesting.
bool ClosesItself(absl::string_view tag) {
  static constexpr std::array<absl::string_view, 26> kTags = {
      "br",   "img", "hr",     "meta",  "link", "input", "p",    "li",      "td",
      "tr",   "th",  "tbody",  "thead", "dt",   "dd",    "col",  "option",  "area",
      "base", "wbr", "source", "tfoot", "html", "head",  "body", "colgroup"};
  for (const absl::string_view t : kTags) {
    if (absl::EqualsIgnoreCase(t, tag)) return true;
  }
  return false;
}

// Whether more tags are open at once than any real page has. Gumbo's time grows with their number
// for every further tag.
bool IsNestedTooDeeply(absl::string_view html) {
  absl::flat_hash_map<std::string, int> open;
  int total = 0;
  size_t at = 0;
  while ((at = html.find('<', at)) != absl::string_view::npos) {
    ++at;
    const bool closing = at < html.size() && html[at] == '/';
    if (closing) ++at;
    size_t end = at;
    while (end < html.size() && absl::ascii_isalnum(html[end])) ++end;
    const absl::string_view tag = html.substr(at, end - at);
    if (tag.empty() || ClosesItself(tag)) continue;
    int& count = open[absl::AsciiStrToLower(tag.substr(0, kMaxTagBytes))];
    if (!closing) {
      ++count;
      if (++total > kMaxOpenTags) return true;
    } else if (count > 0) {
      --count;
      --total;
    }
  }
  return false;
}

enum class Layout { kInline, kLine, kParagraph, kHidden };

Layout LayoutOf(const GumboElement& element) {
  switch (element.tag) {
    case GUMBO_TAG_SCRIPT:
    case GUMBO_TAG_STYLE:
    case GUMBO_TAG_TITLE:
    case GUMBO_TAG_TEMPLATE:
    case GUMBO_TAG_NOFRAMES:
    case GUMBO_TAG_OBJECT:
    case GUMBO_TAG_SVG:
      return Layout::kHidden;
    case GUMBO_TAG_P:
    case GUMBO_TAG_H1:
    case GUMBO_TAG_H2:
    case GUMBO_TAG_H3:
    case GUMBO_TAG_H4:
    case GUMBO_TAG_H5:
    case GUMBO_TAG_H6:
    case GUMBO_TAG_UL:
    case GUMBO_TAG_OL:
    case GUMBO_TAG_DL:
    case GUMBO_TAG_PRE:
    case GUMBO_TAG_BLOCKQUOTE:
      return Layout::kParagraph;
    case GUMBO_TAG_DIV:
    case GUMBO_TAG_TABLE:
    case GUMBO_TAG_TR:
    case GUMBO_TAG_LI:
    case GUMBO_TAG_DT:
    case GUMBO_TAG_DD:
    case GUMBO_TAG_SECTION:
    case GUMBO_TAG_ARTICLE:
    case GUMBO_TAG_HEADER:
    case GUMBO_TAG_FOOTER:
    case GUMBO_TAG_CENTER:
    case GUMBO_TAG_ADDRESS:
    case GUMBO_TAG_FORM:
    case GUMBO_TAG_HR:
      return Layout::kLine;
    default:
      return Layout::kInline;
  }
}

absl::string_view Attribute(const GumboElement& element, const char* name) {
  const GumboAttribute* attribute = gumbo_get_attribute(&element.attributes, name);
  return attribute == nullptr ? "" : absl::string_view(attribute->value);
}

bool IsHidden(const GumboElement& element) {
  const absl::string_view style = Attribute(element, "style");
  if (style.empty()) return false;
  std::string compact;
  for (const char c : style) {
    if (!absl::ascii_isspace(c)) compact.push_back(absl::ascii_tolower(c));
  }
  return absl::StrContains(compact, "display:none");
}

// Puts words on lines.
class Writer {
 public:
  void Word(absl::string_view text) {
    while (!text.empty()) {
      const size_t start = text.find_first_not_of(" \t\n\r\f");
      if (start != 0) space_ = true;
      if (start == absl::string_view::npos) return;
      text.remove_prefix(start);
      const size_t end = std::min(text.find_first_of(" \t\n\r\f"), text.size());
      Emit(text.substr(0, end));
      text.remove_prefix(end);
    }
  }
  void Preformatted(absl::string_view text) {
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      space_ = false;
      if (end > 0) Emit(text.substr(0, end));
      text.remove_prefix(end);
      if (absl::ConsumePrefix(&text, "\n")) LineBreak();
    }
  }
  // Ends the line, be it empty.
  void LineBreak() {
    ++breaks_;
    space_ = false;
  }
  // Ends the line if there is anything on it.
  void EndLine() {
    if (breaks_ == 0) breaks_ = 1;
    space_ = false;
  }
  void EndParagraph() {
    if (breaks_ < 2) breaks_ = 2;
    space_ = false;
  }
  void Space() { space_ = true; }
  void Quote(int by) {
    // The line ends at the old depth.
    EndLine();
    depth_ += by;
  }
  bool full() const { return out_.size() >= kMaxTextBytes; }
  size_t size() const { return out_.size(); }
  absl::string_view since(size_t mark) const { return absl::string_view(out_).substr(mark); }
  std::string Take() {
    if (!out_.empty()) out_.push_back('\n');
    return std::move(out_);
  }

 private:
  void Emit(absl::string_view word) {
    if (full()) return;
    const int depth = std::min(depth_, 20);
    if (out_.empty()) {
      Prefix(depth);
    } else if (breaks_ > 0) {
      for (int i = 1; i < std::min(breaks_, 3); ++i) {
        out_.push_back('\n');
        out_.append(std::min(depth, last_depth_), '>');
      }
      out_.push_back('\n');
      Prefix(depth);
    } else if (space_) {
      out_.push_back(' ');
    }
    last_depth_ = depth;
    breaks_ = 0;
    space_ = false;
    out_.append(word.data(), word.size());
  }
  void Prefix(int depth) {
    out_.append(depth, '>');
    if (depth > 0) out_.push_back(' ');
  }

  std::string out_;
  int depth_ = 0;
  int last_depth_ = 0;
  int breaks_ = 0;
  bool space_ = false;
};

struct Frame {
  const GumboNode* node;
  unsigned next_child;
  size_t mark;  // where the element's text starts
};

void Enter(const GumboElement& element, Layout layout, Writer& out) {
  if (layout == Layout::kLine) out.EndLine();
  if (layout == Layout::kParagraph) out.EndParagraph();
  switch (element.tag) {
    case GUMBO_TAG_BR:
      out.LineBreak();
      break;
    case GUMBO_TAG_LI:
      out.Word("- ");
      break;
    case GUMBO_TAG_TD:
    case GUMBO_TAG_TH:
      out.Space();
      break;
    case GUMBO_TAG_BLOCKQUOTE:
      out.Quote(+1);
      break;
    case GUMBO_TAG_IMG:
      if (const absl::string_view alt = absl::StripAsciiWhitespace(Attribute(element, "alt"));
          !alt.empty()) {
        out.Word(absl::StrCat("[", alt, "]"));
      }
      break;
    default:
      break;
  }
}

void Leave(const GumboElement& element, Layout layout, size_t mark, Writer& out) {
  if (element.tag == GUMBO_TAG_A) {
    absl::string_view target = absl::StripAsciiWhitespace(Attribute(element, "href"));
    const absl::string_view shown = absl::StripAsciiWhitespace(out.since(mark));
    const bool web = absl::StartsWithIgnoreCase(target, "http://") ||
                     absl::StartsWithIgnoreCase(target, "https://");
    if (web && target.size() <= 2000 && !shown.empty() && !absl::StrContains(target, shown)) {
      out.Space();
      out.Word(absl::StrCat("<", target, ">"));
    }
  }
  if (element.tag == GUMBO_TAG_BLOCKQUOTE) out.Quote(-1);
  if (layout == Layout::kLine) out.EndLine();
  if (layout == Layout::kParagraph) out.EndParagraph();
}

std::string Render(const GumboNode* root) {
  Writer out;
  std::vector<Frame> stack;
  int preformatted = 0;
  stack.push_back({root, 0, 0});
  while (!stack.empty() && !out.full()) {
    Frame& frame = stack.back();
    const GumboElement& element = frame.node->v.element;
    if (frame.next_child == element.children.length) {
      if (element.tag == GUMBO_TAG_PRE) --preformatted;
      Leave(element, LayoutOf(element), frame.mark, out);
      stack.pop_back();
      continue;
    }
    const auto* child = static_cast<const GumboNode*>(element.children.data[frame.next_child++]);
    switch (child->type) {
      case GUMBO_NODE_TEXT:
      case GUMBO_NODE_CDATA:
        if (preformatted > 0) {
          out.Preformatted(child->v.text.text);
        } else {
          out.Word(child->v.text.text);
        }
        break;
      case GUMBO_NODE_WHITESPACE:
        if (preformatted > 0) {
          out.Preformatted(child->v.text.text);
        } else {
          out.Space();
        }
        break;
      case GUMBO_NODE_ELEMENT: {
        const GumboElement& inner = child->v.element;
        const Layout layout = LayoutOf(inner);
        if (layout == Layout::kHidden || IsHidden(inner)) break;
        Enter(inner, layout, out);
        if (inner.tag == GUMBO_TAG_PRE) ++preformatted;
        stack.push_back({child, 0, out.size()});
        break;
      }
      case GUMBO_NODE_DOCUMENT:
      case GUMBO_NODE_COMMENT:
      case GUMBO_NODE_TEMPLATE:
        break;
    }
  }
  return out.Take();
}

// Apart from HtmlToText so that no object with a destructor lives between setjmp and longjmp.
const GumboOutput* Parse(Arena& arena, const char* html, size_t size) {
  GumboOptions options = kGumboDefaultOptions;
  options.allocator = &Arena::Allocate;
  options.deallocator = &Arena::Free;
  options.userdata = &arena;
  options.max_errors = 0;
  if (setjmp(arena.exhausted) != 0) return nullptr;
  return gumbo_parse_with_options(&options, html, size);
}

}  // namespace

absl::StatusOr<std::string> HtmlToText(absl::string_view html) {
  const std::string page = Simplify(html);
  if (IsNestedTooDeeply(page)) return absl::ResourceExhaustedError("HTML is nested too deeply");
  Arena arena(kMaxTreeBytes);
  const GumboOutput* output = Parse(arena, page.data(), page.size());
  if (output == nullptr)
    return absl::ResourceExhaustedError("HTML takes too much memory to repair");
  // Numeric entities can name control characters, and what is no character at all.
  return CleanText(RepairUtf8(Render(output->root)));
}

}  // namespace wissel::email
