// SPDX-License-Identifier: Apache-2.0
#include "display/image_file.h"

#include <png.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "devices/vga.h"
#include "vmm/board.h"

namespace vmm::display {

std::string to_ppm(const Image& image) {
    std::string out = "P6\n" + std::to_string(image.width) + " " + std::to_string(image.height) + "\n255\n";
    out.append(reinterpret_cast<const char*>(image.rgb.data()), image.rgb.size());
    return out;
}

Result<std::string> to_png(const Image& image) {
    png_image png{};
    png.version = PNG_IMAGE_VERSION;
    png.width = image.width;
    png.height = image.height;
    png.format = PNG_FORMAT_RGB;
    png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(png);
    std::string out(bytes, '\0');
    if (png_image_write_to_memory(&png, out.data(), &bytes, 0, image.rgb.data(), 0, nullptr) == 0) {
        const std::string why = png.message;
        png_image_free(&png);
        return Error{"the picture does not become a PNG: " + why};
    }
    out.resize(bytes);
    return out;
}

Result<void> write_image(const Image& image, ImageFormat format, const std::string& file) {
    std::string bytes;
    if (format == ImageFormat::Png) {
        auto png = to_png(image);
        if (!png) return png.error();
        bytes = std::move(*png);
    } else {
        bytes = to_ppm(image);
    }
    const auto failed = [&file] { return Error{file + ": " + std::strerror(errno)}; };
    std::FILE* out = std::fopen(file.c_str(), "wb");
    if (out == nullptr) return failed();
    const bool written = std::fwrite(bytes.data(), 1, bytes.size(), out) == bytes.size();
    if (std::fclose(out) != 0 || !written) return failed();
    return {};
}

Result<void> screendump(Machine& machine, const std::string& file, std::optional<ImageFormat> format) {
    const Vga* vga = machine.board().vga();
    if (vga == nullptr) return Error{"there is no screen: the machine has no graphics card (-vga none)"};
    Screen screen;
    copy_screen(*vga, machine.time(), screen);
    if (!format) format = file.ends_with(".png") ? ImageFormat::Png : ImageFormat::Ppm;
    return write_image(draw(screen), *format, file);
}

}  // namespace vmm::display
