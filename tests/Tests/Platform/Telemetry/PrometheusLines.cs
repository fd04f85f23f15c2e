using System.Globalization;
using System.Text.RegularExpressions;

namespace Atoll.Tests.Platform.Telemetry;

/// <summary>Reads the text of Prometheus, strictly: what Prometheus would refuse or misread fails.</summary>
internal sealed partial class PrometheusLines
{
    private readonly Dictionary<string, double> _values = [];

    public PrometheusLines(string text)
    {
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        string? name = null;
        foreach (var line in text.TrimEnd('\n').Split('\n'))
        {
            if (line.StartsWith("# HELP ", StringComparison.Ordinal))
            {
                name = line.Split(' ')[2];
                Assert.False(Types.ContainsKey(name), $"{name} is told twice.");
                Assert.True(line.Length > $"# HELP {name} ".Length, line);
            }
            else if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                Assert.Equal(name, line.Split(' ')[2]);
                Types[name!] = line.Split(' ')[3];
            }
            else
            {
                var match = Sample().Match(line);
                Assert.True(match.Success, line);
                var of = match.Groups["name"].Value;
                var owner = Types[name!] == "histogram" ? of[..of.LastIndexOf('_')] : of;
                Assert.Equal(name, owner);
                Assert.True(_values.TryAdd(line[..line.LastIndexOf(' ')], double.Parse(match.Groups["value"].Value.Replace("+Inf", "Infinity", StringComparison.Ordinal), CultureInfo.InvariantCulture)), line);
            }
        }
    }

    /// <summary>Every metric and its type.</summary>
    public Dictionary<string, string> Types { get; } = [];

    public IEnumerable<string> Series => _values.Keys;

    /// <summary>The value of a line as it is written; 0 when it is not there.</summary>
    public double this[string series] => _values.GetValueOrDefault(series);

    /// <summary>All lines of a metric that have a text in their labels, added up.</summary>
    public double Sum(string name, string labels = "") =>
        _values.Where(line => line.Key.StartsWith(name + "{", StringComparison.Ordinal) && line.Key.Contains(labels, StringComparison.Ordinal)).Sum(line => line.Value);

    [GeneratedRegex("""^(?<name>[a-zA-Z_][a-zA-Z0-9_]*)(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\["\\n])*",?)*\})? (?<value>-?[0-9.eE+-]+|\+Inf|NaN)$""")]
    private static partial Regex Sample();
}
