#include "services/ctl/plot_file.h"

#include <librsvg/rsvg.h>

#include <fstream>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace wissel::ctl {
namespace {

// Pixels for each of the drawing's, so that its small print stays legible.
constexpr double kScale = 2;

struct Release {
  void operator()(RsvgHandle* drawing) const { g_object_unref(drawing); }
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
  void operator()(cairo_t* context) const { cairo_destroy(context); }
  void operator()(GError* error) const { g_error_free(error); }
};
template <class T>
using Owned = std::unique_ptr<T, Release>;

absl::Status Failed(GError* error) {
  const Owned<GError> owned(error);
  return absl::InternalError(absl::StrCat("the plot cannot be drawn", error == nullptr ? "" : ": ",
                                          error == nullptr ? "" : error->message));
}

absl::StatusOr<std::string> ToPng(const std::string& svg) {
  GError* error = nullptr;
  const Owned<RsvgHandle> drawing(
      rsvg_handle_new_from_data(reinterpret_cast<const guint8*>(svg.data()), svg.size(), &error));
  if (drawing == nullptr) return Failed(error);
  RsvgRectangle page{};
  rsvg_handle_get_intrinsic_size_in_pixels(drawing.get(), &page.width, &page.height);
  page.width *= kScale;
  page.height *= kScale;
  const Owned<cairo_surface_t> surface(cairo_image_surface_create(
      CAIRO_FORMAT_RGB24, static_cast<int>(page.width), static_cast<int>(page.height)));
  const Owned<cairo_t> context(cairo_create(surface.get()));
  if (!rsvg_handle_render_document(drawing.get(), context.get(), &page, &error)) {
    return Failed(error);
  }
  std::string png;
  const auto append = [](void* to, const unsigned char* bytes, unsigned int size) {
    static_cast<std::string*>(to)->append(reinterpret_cast<const char*>(bytes), size);
    return CAIRO_STATUS_SUCCESS;
  };
  if (cairo_surface_write_to_png_stream(surface.get(), append, &png) != CAIRO_STATUS_SUCCESS) {
    return Failed(nullptr);
  }
  return png;
}

bool IsPng(const std::string& file) { return absl::EndsWithIgnoreCase(file, ".png"); }

}  // namespace

std::string WrongPlotFile(const std::string& file) {
  if (absl::EndsWithIgnoreCase(file, ".svg") || IsPng(file)) return "";
  return absl::StrCat("expected a file that ends in .svg or .png; found ", file);
}

absl::Status WritePlot(const sim::Plot& plot, const std::string& file) {
  std::string picture = sim::ToSvg(plot);
  if (IsPng(file)) {
    WISSEL_ASSIGN_OR_RETURN(picture, ToPng(picture));
  }
  std::ofstream out(file, std::ios::binary);
  out << picture;
  if (!out.flush()) return absl::InvalidArgumentError(absl::StrCat("cannot write ", file));
  return absl::OkStatus();
}

}  // namespace wissel::ctl
