// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A real Chromium without a window, driven by plain HTTP calls (W3C WebDriver) to its own driver.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "json/json_value.hpp"
#include "support/api_client_curl.hpp"
#include "support/process.hpp"

namespace probekit::test {

/// Elements are named by CSS selectors; whatever cannot be done fails the test. *Threads*: one.
class WebDriver {
 public:
  /// Whether `chromium` and `chromedriver` are installed.
  static bool installed();

  WebDriver();
  /// Ends the browser and its driver.
  ~WebDriver();
  WebDriver(const WebDriver&) = delete;
  WebDriver& operator=(const WebDriver&) = delete;

  void open(const std::string& url);
  /// What the function body `script` returns.
  json::Value run(const std::string& script) const;
  /// The same, as text: numbers and booleans as JSON writes them, null as "".
  std::string text(const std::string& script) const;
  /// Waits until the expression holds.
  void wait_for(const std::string& expression,
                std::chrono::milliseconds timeout = std::chrono::seconds(20),
                const char* file = __builtin_FILE(), int line = __builtin_LINE()) const;

  /// As a person does: the element must be seen and not be covered.
  void click(const std::string& selector) const;
  void type(const std::string& selector, const std::string& text) const;
  /// To whatever has the focus; U+E004 is Tab, U+E007 Enter, U+E00C Escape.
  void press(const std::string& keys) const;

  void viewport(int width, int height) const;
  /// A media feature, "prefers-color-scheme" say.
  void emulate(const std::string& feature, const std::string& value) const;
  /// As a PNG, to the file.
  void screenshot(const std::string& path) const;

  struct Control {
    std::string html;   ///< its opening tag
    std::string label;  ///< its accessible name, as the browser computes it
  };
  /// Every link, button and field that is seen; of an open dialog alone, if there is one.
  std::vector<Control> controls() const;
  /// The console's errors and warnings since the last call, breaches of the page's policy among
  /// them.
  std::vector<std::string> complaints() const;

 private:
  json::Value call(const std::string& method, const std::string& path,
                   const std::string& body = "{}") const;
  json::Value chromium(const std::string& command, const std::string& parameters) const;
  std::string element(const std::string& selector) const;

  TemporaryFolder folder_;
  std::unique_ptr<Process> process_;
  std::unique_ptr<ApiClient> client_;
  std::string session_;  ///< "/session/ID"
};

}  // namespace probekit::test
