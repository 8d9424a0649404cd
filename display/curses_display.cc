// SPDX-License-Identifier: Apache-2.0
#include "display/curses_display.h"

#define NCURSES_NOMACROS  // they would take std::move apart
#include <ncurses.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstdlib>

#include "devices/user_input.h"
#include "serial/terminal.h"

namespace vmm::display {
namespace {

constexpr unsigned kTickMs = 40;
constexpr int kEscapeDelayMs = 25;
constexpr u32 kTypedHoldMs = 15;
constexpr char32_t kPrefix = 0x01, kEscape = 0x1b;
constexpr const char* kHelp = " Ctrl-A: x quit, d Ctrl-Alt-Del, 1-9 0 Ctrl-Alt-F1 to F10, Ctrl-A itself, r redraw ";

// Attributes count blue, green, red; terminals red, green, blue.
constexpr short terminal_colour(u32 vga) { return static_cast<short>((vga & 8) | (vga & 4) >> 2 | (vga & 2) | (vga & 1) << 2); }

struct Named { int code; Key key; };
constexpr Named kNamed[] = {
    {KEY_UP, Key::k_up}, {KEY_DOWN, Key::k_down}, {KEY_LEFT, Key::k_left}, {KEY_RIGHT, Key::k_right}, {KEY_HOME, Key::k_home},
    {KEY_END, Key::k_end}, {KEY_PPAGE, Key::k_pgup}, {KEY_NPAGE, Key::k_pgdn}, {KEY_IC, Key::k_insert}, {KEY_DC, Key::k_delete},
    {KEY_BACKSPACE, Key::k_backspace}, {KEY_ENTER, Key::k_ret}, {KEY_PRINT, Key::k_print}, {KEY_B2, Key::k_kp_5},
    {KEY_F(1), Key::k_f1}, {KEY_F(2), Key::k_f2}, {KEY_F(3), Key::k_f3}, {KEY_F(4), Key::k_f4}, {KEY_F(5), Key::k_f5}, {KEY_F(6), Key::k_f6},
    {KEY_F(7), Key::k_f7}, {KEY_F(8), Key::k_f8}, {KEY_F(9), Key::k_f9}, {KEY_F(10), Key::k_f10}, {KEY_F(11), Key::k_f11}, {KEY_F(12), Key::k_f12},
};
constexpr Key kFunctionKeys[] = {Key::k_f10, Key::k_f1, Key::k_f2, Key::k_f3, Key::k_f4, Key::k_f5, Key::k_f6, Key::k_f7, Key::k_f8, Key::k_f9};

std::optional<std::vector<Key>> named_key(int code) {
    for (const Named& n : kNamed)
        if (n.code == code) return std::vector{n.key};
    if (code == KEY_BTAB) return std::vector{Key::k_shift, Key::k_tab};
    return std::nullopt;
}

}  // namespace

// The terminal, on the I/O thread from start() to stop().
class CursesDisplay::Terminal {
  public:
    explicit Terminal(Wires wires) : w_(std::move(wires)) {}
    Wires& wires() { return w_; }

    std::optional<Error> start();
    void stop();
    // From any other thread: keys are read, and copies of the screen asked for, in between.
    void attach() {
        source_ = std::make_unique<IoSource>(w_.io, STDIN_FILENO, [] { return true; }, [this] { keys(); });
        ticker_ = std::make_unique<IoTicker>(w_.io, kTickMs, [this] { w_.feed.request(); });
    }
    void detach() {
        ticker_.reset();
        source_.reset();
    }

  private:
    void keys();
    void key(wint_t code, bool named);
    void own_key(char32_t c);
    void type(const std::vector<Key>& chord) { if (w_.type) w_.type(key_chord(chord, kTypedHoldMs)); }
    void show(const Screen& screen);
    void show_text(const Screen& screen, const ScreenText& text);
    void colours();
    attr_t attributes(u8 attribute, bool blinks, short& pair) const;

    Wires w_;
    SCREEN* screen_ = nullptr;
    std::unique_ptr<RawTerminal> raw_;
    std::unique_ptr<IoSource> source_;
    std::unique_ptr<IoTicker> ticker_;
    bool prefix_ = false, help_ = false, bright_ = false;
};

std::optional<Error> CursesDisplay::Terminal::start() {
    if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0) return Error{"-display curses: input and output are no terminal"};
    std::setlocale(LC_CTYPE, "");
    raw_ = RawTerminal::take(STDIN_FILENO, false);
    screen_ = newterm(nullptr, stdout, stdin);
    if (screen_ == nullptr) {
        raw_.reset();
        const char* name = std::getenv("TERM");
        return Error{"-display curses: the terminal '" + std::string(name != nullptr ? name : "") + "' is not known here (TERM)"};
    }
    raw();
    noecho();
    nonl();
    set_escdelay(kEscapeDelayMs);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    colours();
    erase();
    refresh();
    w_.feed.set_ready([this](const Screen& screen) { show(screen); });
    return std::nullopt;
}

void CursesDisplay::Terminal::stop() {
    w_.feed.set_ready({});
    endwin();
    delscreen(screen_);
    raw_.reset();
}

void CursesDisplay::Terminal::colours() {
    if (!has_colors()) return;
    start_color();
    bright_ = COLORS >= 16 && COLOR_PAIRS > 256;
    const u32 n = bright_ ? 16 : 8;
    for (u32 back = 0; back < n; ++back)
        for (u32 fore = 0; fore < n; ++fore) init_pair(static_cast<short>(1 + back * n + fore), terminal_colour(fore), terminal_colour(back));
}

attr_t CursesDisplay::Terminal::attributes(u8 attribute, bool blinks, short& pair) const {
    u32 fore = attribute & 15, back = attribute >> 4;
    attr_t out = A_NORMAL;
    if (blinks) {
        if ((back & 8) != 0) out |= A_BLINK;
        back &= 7;
    }
    if (!has_colors()) {
        pair = 0;
        return out | ((fore & 8) != 0 ? A_BOLD : A_NORMAL) | (back != 0 && (fore & 7) == 0 ? A_REVERSE : A_NORMAL);
    }
    const u32 n = bright_ ? 16 : 8;
    if (!bright_ && (fore & 8) != 0) out |= A_BOLD;
    pair = static_cast<short>(1 + (back & (n - 1)) * n + (fore & (n - 1)));
    return out;
}

void CursesDisplay::Terminal::show(const Screen& screen) {
    if (const auto text = read_text(screen)) {
        show_text(screen, *text);
    } else {
        erase();
        const VbeMode m = screen.vbe.mode(screen.vram_bytes);
        const u32 width = screen.vbe.enabled() ? m.width : screen.regs.columns() * 8 * (screen.regs.half_dot_clock() ? 2 : 1);
        const u32 height = screen.vbe.enabled() ? m.height : screen.regs.lines();
        mvprintw(LINES / 2, std::max(0, COLS / 2 - 12), "(graphics, %u x %u)", width, height);
        curs_set(0);
    }
    if (help_) {
        attrset(A_REVERSE);
        mvaddnstr(LINES - 1, 0, kHelp, COLS);
        attrset(A_NORMAL);
    }
    refresh();
}

void CursesDisplay::Terminal::show_text(const Screen& screen, const ScreenText& text) {
    const bool on = screen.regs.screen_on();
    const bool blinks = (screen.regs.attr[VgaRegisters::kAttrMode] & VgaRegisters::kBlink) != 0;
    const u32 rows = std::min(text.rows, static_cast<u32>(LINES)), columns = std::min(text.columns, static_cast<u32>(COLS));
    const u32 cursor_row = text.cursor ? *text.cursor / text.columns : 0, cursor_column = text.cursor ? *text.cursor % text.columns : 0;
    // The part that shows ends with the cursor, where not all fits.
    const u32 top = cursor_row < rows ? 0 : cursor_row - rows + 1, left = cursor_column < columns ? 0 : cursor_column - columns + 1;
    erase();
    for (u32 y = 0; on && y < rows; ++y)
        for (u32 x = 0; x < columns; ++x) {
            const TextCell& cell = text.at(left + x, top + y);
            const wchar_t wide[2] = {static_cast<wchar_t>(unicode_of(cell.character)), 0};
            short pair = 0;
            const attr_t attributes_of = attributes(cell.attribute, blinks, pair);
            cchar_t character;
            setcchar(&character, wide, attributes_of, pair, nullptr);
            mvadd_wch(static_cast<int>(y), static_cast<int>(x), &character);
        }
    const bool cursor = on && text.cursor;
    curs_set(cursor ? 1 : 0);
    if (cursor) move(static_cast<int>(cursor_row - top), static_cast<int>(cursor_column - left));
}

void CursesDisplay::Terminal::keys() {
    for (;;) {
        wint_t code = 0;
        const int what = get_wch(&code);
        if (what == ERR) return;
        help_ = false;
        key(code, what == KEY_CODE_YES);
    }
}

void CursesDisplay::Terminal::key(wint_t code, bool named) {
    if (named) {
        if (code == KEY_RESIZE) return;                // the next copy fills it
        if (const auto chord = named_key(static_cast<int>(code))) type(*chord);
        return;
    }
    const char32_t c = code;
    if (prefix_) {
        prefix_ = false;
        return own_key(c);
    }
    if (c == kPrefix) {
        prefix_ = true;
        return;
    }
    if (c == kEscape) {                                // and something at once: Alt
        wint_t next = 0;
        const int what = get_wch(&next);
        const auto with = what == OK ? keys_for(next) : what == KEY_CODE_YES ? named_key(static_cast<int>(next)) : std::nullopt;
        if (!with) return type({Key::k_esc});
        std::vector<Key> chord{Key::k_alt};
        chord.insert(chord.end(), with->begin(), with->end());
        return type(chord);
    }
    if (const auto chord = keys_for(c)) type(*chord);
}

void CursesDisplay::Terminal::own_key(char32_t c) {
    switch (c) {
        case 'x': w_.quit(); return;
        case 'd': type({Key::k_ctrl, Key::k_alt, Key::k_delete}); return;
        case 'r': clearok(stdscr, TRUE); return;
        case kPrefix: type({Key::k_ctrl, Key::k_a}); return;
        default: break;
    }
    if (c >= '0' && c <= '9') type({Key::k_ctrl, Key::k_alt, kFunctionKeys[c - '0']});
    else help_ = true;
}

CursesDisplay::CursesDisplay(std::unique_ptr<Terminal> terminal) : terminal_(std::move(terminal)) {}

Result<std::unique_ptr<CursesDisplay>> CursesDisplay::open(Wires wires) {
    auto terminal = std::make_unique<Terminal>(std::move(wires));
    Terminal& t = *terminal;
    std::optional<Error> failed;
    t.wires().io.run_wait([&] { failed = t.start(); });
    if (failed) return *failed;
    t.attach();
    return std::unique_ptr<CursesDisplay>(new CursesDisplay(std::move(terminal)));
}

CursesDisplay::~CursesDisplay() {
    terminal_->detach();
    terminal_->wires().io.run_wait([this] { terminal_->stop(); });
}

}  // namespace vmm::display
