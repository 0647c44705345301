// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <utility>

#include "json/json_value.hpp"
#include "probe/dns_target.hpp"
#include "probe/probe_spec_json.hpp"
#include "probekit/probe_module.hpp"

namespace probekit {
namespace {

constexpr std::size_t kModulesMax = 256;
constexpr std::size_t kListMax = 500;

Error refused(std::string message) { return Error{errc::invalid_argument, std::move(message)}; }

/// Reads one module, remembering the first fault.
class ModuleReader {
 public:
  ModuleReader(const std::string& name, const ProbeKinds& kinds)
      : path_("modules." + name), kinds_(kinds) {
    module_.name = name;
  }

  Expected<ProbeModule> read(const json::Value& value) {
    if (!is_valid_name(module_.name)) {
      return refused("modules: a name is 1 to 64 of A-Z a-z 0-9 . _ -");
    }
    if (!value.as_object()) return refused(path_ + ": not an object");
    const json::Value* const prober = value.find("prober");
    if (!prober || !prober->as_string()) return refused(path_ + ".prober: must be given, a text");
    const std::string& kind = *prober->as_string();
    if (!kinds_.find(kind)) {
      return refused(path_ + ".prober: '" + kind + "' is not a prober of this version");
    }
    // What a module shares with a spec is read as in a spec.
    SpecDefaults defaults;
    defaults.options = module_.options;
    defaults.options.kind = kind;
    const std::string place = path_ + '.';
    auto spec = read_spec_defaults(value, defaults, kinds_,
                                   SpecPlace{place, {"prober", "http", "dns", kind}});
    if (!spec) return spec.error();
    for (const std::string_view no : {"kind", "deadline_ms", "agents", "target"}) {
      if (value.find(no)) return refused(place + std::string(no) + ": not in a module");
    }
    module_.options = std::move(spec->options);
    if (value.find("timeout_ms")) module_.timeout = module_.options.timeout;
    for (const std::string_view section : {"http", "dns"}) {
      if (kind != section && value.find(section)) {
        return refused(place + std::string(section) + ": not with this prober");
      }
    }
    if (const json::Value* const section = value.find(kind)) read_section(kind, *section);
    if (module_.query_name.empty() != module_.query_type.empty()) {
      fail("dns", "query_name and query_type go together");
    }
    if (!module_.query_name.empty() && fault_.empty()) {
      const auto target = parse_dns_target("dns:" + module_.query_name + '/' + module_.query_type);
      if (!target) fail("dns", "query_name, query_type: " + target.error().message());
    }
    if (module_.fail_if_ssl && module_.fail_if_not_ssl) {
      fail("http", "fail_if_ssl and fail_if_not_ssl leave nothing");
    }
    if (!fault_.empty()) return refused(fault_);
    return std::move(module_);
  }

 private:
  void fail(const std::string& field, const std::string& what) {
    if (fault_.empty()) fault_ = path_ + '.' + field + ": " + what;
  }

  void read_section(const std::string& kind, const json::Value& section) {
    const auto* const members = section.as_object();
    if (!members) return fail(kind, "not an object");
    json::Value::Object others;
    for (const json::Member& member : *members) {
      const std::string field = kind + '.' + member.name;
      const bool ours = kind == "http"  ? read_http(field, member)
                        : kind == "dns" ? read_dns(field, member)
                                        : false;
      if (!ours) others.push_back(member);
    }
    if (others.empty()) return;
    module_.options.section = json::Value::from_object(std::move(others)).to_json();
    const ProbeKind& known = *kinds_.find(kind);
    if (!known.check_section) return;
    const auto fine = known.check_section(module_.options.section);
    if (!fine && fault_.empty()) fault_ = path_ + '.' + kind + '.' + fine.error().message();
  }

  bool read_http(const std::string& field, const json::Member& member) {
    if (member.name == "valid_status_codes") {
      for (const json::Value& item : list(field, member.value)) {
        const auto code = item.as_int64();
        if (!code || *code < 100 || *code > 599) {
          fail(field, "each an integer from 100 to 599");
          break;
        }
        module_.valid_status_codes.push_back(static_cast<int>(*code));
      }
    } else if (member.name == "fail_if_ssl") {
      module_.fail_if_ssl = boolean(field, member.value);
    } else if (member.name == "fail_if_not_ssl") {
      module_.fail_if_not_ssl = boolean(field, member.value);
    } else {
      return false;
    }
    return true;
  }

  bool read_dns(const std::string& field, const json::Member& member) {
    if (member.name == "query_name") {
      module_.query_name = text(field, member.value);
    } else if (member.name == "query_type") {
      module_.query_type = text(field, member.value);
    } else if (member.name == "valid_rcodes") {
      for (const json::Value& item : list(field, member.value)) {
        module_.valid_rcodes.push_back(text(field, item));
      }
    } else {
      return false;
    }
    return true;
  }

  json::Value::Array list(const std::string& field, const json::Value& value) {
    if (value.as_array() && !value.as_array()->empty() && value.as_array()->size() <= kListMax) {
      return *value.as_array();
    }
    fail(field, "not a list of 1 to 500");
    return {};
  }
  bool boolean(const std::string& field, const json::Value& value) {
    if (!value.is_bool()) fail(field, "not true or false");
    return value.as_bool().value_or(false);
  }
  std::string text(const std::string& field, const json::Value& value) {
    if (value.as_string() && !value.as_string()->empty()) return *value.as_string();
    fail(field, "not a text");
    return {};
  }

  ProbeModule module_;
  const std::string path_;
  const ProbeKinds& kinds_;
  std::string fault_;
};

}  // namespace

std::vector<ProbeModule> builtin_probe_modules() {
  std::vector<ProbeModule> modules(2);
  modules[0].name = "http_2xx";
  modules[1].name = "dns";
  modules[1].options.kind = "dns";
  return modules;
}

Expected<std::vector<ProbeModule>> parse_probe_modules(std::string_view json,
                                                       const ProbeKinds& kinds) {
  const auto value = json::Value::parse(json);
  if (!value) return refused("modules: " + value.error().message());
  const auto* const members = value->as_object();
  if (!members) return refused("modules: not an object");
  if (members->size() > kModulesMax) return refused("modules: more than 256");
  std::vector<ProbeModule> modules;
  for (const json::Member& member : *members) {
    auto module = ModuleReader(member.name, kinds).read(member.value);
    if (!module) return module.error();
    modules.push_back(std::move(*module));
  }
  return modules;
}

}  // namespace probekit
