// SPDX-License-Identifier: Apache-2.0
// Images as files: PNG (by libpng) and PPM (P6); and a picture of a machine's screen.
#pragma once

#include <string>

#include "display/screen.h"
#include "vmm/result.h"

namespace vmm::display {

enum class ImageFormat : u8 { Ppm, Png };

std::string to_ppm(const Image& image);
Result<std::string> to_png(const Image& image);
Result<void> write_image(const Image& image, ImageFormat format, const std::string& file);

// The machine's screen into a file; a name ending in .png makes a PNG unless a format is given. Machine thread.
Result<void> screendump(Machine& machine, const std::string& file, std::optional<ImageFormat> format = std::nullopt);

}  // namespace vmm::display
