using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using Atoll.Platform;
using Microsoft.Extensions.DependencyInjection;

namespace Atoll.Tests.Platform;

public sealed partial class ConfigurationPageTests(TestServer server) : IClassFixture<TestServer>
{
    [Fact]
    public void The_page_of_settings_is_made_from_the_options_own_comments()
    {
        var page = new StringBuilder("""
            # Settings

            Every setting can be given in a JSON file (`atoll serve --config atoll.json`), as an environment variable
            (`ATOLL_` and the key with `__` for each colon: `ATOLL_Atoll__Data`), or as a flag (`--Atoll:Data=folder`). Flags win over the
            environment, the environment over the file. A wrong value, and an unknown key in the file or among the flags, stops the
            start with a sentence; an unknown variable that begins with `ATOLL_` is told in the log. The sections `Logging` and `Kestrel` are those of ASP.NET Core.

            This page is made from the comments of the option classes by a test; change those.

            """);
        foreach (var section in server.Server.Services.GetServices<SettingsSection>().OrderBy(section => section.Name, StringComparer.Ordinal))
        {
            var file = Assert.Single(Directory.EnumerateFiles(Golden.InRepository("src/Server"), $"{section.Options.Name}.cs", SearchOption.AllDirectories));
            var source = File.ReadAllText(file);
            page.Append(CultureInfo.InvariantCulture, $"\n## {section.Name}\n\n| Key | Default | Values | Meaning |\n|---|---|---|---|\n");
            var defaults = Activator.CreateInstance(section.Options)!;
            foreach (var property in section.Options.GetProperties().Where(property => property.CanWrite))
            {
                var comment = Regex.Match(source, $@"/// <summary>(?<text>[^<]*)</summary>(?:\s*\[[^\n]*\])*\s*public [^\n]* {property.Name} ");
                Assert.True(comment.Success, $"{section.Options.Name}.{property.Name} has no summary on one line.");
                page.Append(CultureInfo.InvariantCulture,
                    $"| `{section.Name}:{property.Name}` | {DefaultOf(property, defaults)} | {RangeOf(property)} | {comment.Groups["text"].Value.Trim()} |\n");
            }
        }
        Golden.Check("docs/reference/configuration.md", page.ToString());
    }

    private static string DefaultOf(PropertyInfo property, object defaults) =>
        property.GetValue(defaults) is { } value ? $"`{Convert.ToString(value, CultureInfo.InvariantCulture)}`" : "none";

    private static string RangeOf(PropertyInfo property) => property.GetCustomAttribute<RangeAttribute>() is { } range
        ? Convert.ToDouble(range.Maximum, CultureInfo.InvariantCulture) >= int.MaxValue
            ? string.Create(CultureInfo.InvariantCulture, $"{range.Minimum} or more")
            : string.Create(CultureInfo.InvariantCulture, $"{range.Minimum} to {range.Maximum}")
        : property.PropertyType == typeof(bool) ? "true, false" : "text";
}
