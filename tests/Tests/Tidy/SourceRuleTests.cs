using System.Text.RegularExpressions;

namespace Atoll.Tests.Tidy;

/// <summary>House rules that the compiler cannot keep. Every exception stands in a list here.</summary>
public sealed partial class SourceRuleTests
{
    private static readonly string[] VagueWords = ["Manager", "Helper", "Helpers", "Util", "Utils", "Utility", "Utilities", "Common", "Impl", "Dto"];
    private static readonly string[] VagueAlone = ["Service", "Processor", "Engine", "Handler", "Data", "Info"];

    /// <summary>Where the tenant filter may be lifted: authentication comes before a tenant is known, the queue serves all, pins of all are loaded at the start, and operators see the usage of all.</summary>
    private static readonly string[] FilterLifters =
    [
        "src/Server/Deployments/DescribeServing.cs",
        "src/Server/Deployments/PinnedModels.cs",
        "src/Server/Platform/Jobs/JobQueue.cs",
        "src/Server/Platform/Jobs/JobWorker.cs",
        "src/Server/Platform/Http/RepeatedRequests.cs",
        "src/Server/Monitoring/ListUsage.cs",
        "src/Server/Monitoring/UsageRecorder.cs",
        "src/Server/Tenancy/CallerDirectory.cs",
        "src/Server/Tenancy/IssueToken.cs",
        "src/Server/Tenancy/RevokeToken.cs",
    ];

    [Fact]
    public void Type_names_say_what_the_type_does()
    {
        var wrong = SourceTree.Files("src", ".cs").SelectMany(file => TypeDeclaration().Matches(file.Text).Select(match => (file.Path, Name: match.Groups["name"].Value)))
            .Where(type => VagueAlone.Contains(type.Name) || Words().Matches(type.Name).Any(word => VagueWords.Contains(word.Value)))
            .Select(type => $"{type.Path}: {type.Name}");
        Assert.Empty(wrong);
    }

    [Fact]
    public void The_tenant_filter_is_lifted_only_where_the_list_says()
    {
        var lifting = SourceTree.Files("src", ".cs").Where(file => file.Text.Contains("IgnoreQueryFilters", StringComparison.Ordinal)).Select(file => file.Path).ToList();
        Assert.True(lifting.Except(FilterLifters).ToList() is [], $"These lift the tenant filter: {string.Join(", ", lifting.Except(FilterLifters))}");
        Assert.True(FilterLifters.Except(lifting).ToList() is [], $"These lift nothing any more: {string.Join(", ", FilterLifters.Except(lifting))}");
    }

    [Fact]
    public void Every_type_says_in_a_sentence_what_it_is()
    {
        // One part of a partial type says it for all.
        var silent = new Dictionary<string, string>();
        var told = new HashSet<string>();
        foreach (var (path, text) in SourceTree.Files("src", ".cs"))
        {
            var lines = text.Split('\n');
            for (var i = 0; i < lines.Length; i++)
            {
                // Types of a file, not those nested in others.
                if (!OuterType().IsMatch(lines[i])) continue;
                var name = TypeDeclaration().Match(lines[i]).Groups["name"].Value;
                var above = i - 1;
                while (above >= 0 && (lines[above].StartsWith('[') || lines[above].StartsWith(' ') || lines[above].StartsWith(')') || lines[above].StartsWith('#'))) above--;
                if (above >= 0 && lines[above].StartsWith("///", StringComparison.Ordinal)) told.Add(name);
                else silent[name] = $"{path}:{i + 1}";
            }
        }
        Assert.Empty(silent.Where(type => !told.Contains(type.Key)).Select(type => type.Value));
    }

    [Fact]
    public void Nothing_is_left_to_do_without_the_number_of_an_issue()
    {
        var wrong = SourceTree.Files("", ".cs", ".md", ".csproj", ".props", ".targets", ".yml", ".sh")
            .SelectMany(file => file.Text.Split('\n').Select((line, i) => (file.Path, Line: i + 1, Text: line)))
            .Where(line => Unfinished().IsMatch(line.Text)).Select(line => $"{line.Path}:{line.Line}");
        Assert.Empty(wrong);
    }

    [Fact]
    public void Links_between_pages_lead_somewhere()
    {
        var wrong = new List<string>();
        foreach (var (path, text) in SourceTree.Files("", ".md"))
        {
            foreach (Match match in Link().Matches(text))
            {
                var target = match.Groups["target"].Value;
                if (target.Contains("://", StringComparison.Ordinal) || target.StartsWith("mailto:", StringComparison.Ordinal) || target.StartsWith('#')) continue;
                var file = Path.GetFullPath(Path.Combine(Golden.InRepository(Path.GetDirectoryName(path)!), Uri.UnescapeDataString(target.Split('#')[0])));
                if (!File.Exists(file) && !Directory.Exists(file)) wrong.Add($"{path}: {target}");
            }
        }
        Assert.Empty(wrong);
    }

    [GeneratedRegex(@"\b(class|record struct|record|struct|interface|enum) (?<name>[A-Z]\w*)")]
    private static partial Regex TypeDeclaration();

    [GeneratedRegex("[A-Z][a-z0-9]*")]
    private static partial Regex Words();

    [GeneratedRegex(@"^(public |internal |file )(static |sealed |abstract |readonly |partial |unsafe |ref )*(class|record|struct|interface|enum) ")]
    private static partial Regex OuterType();

    // Written so that this line does not find itself.
    [GeneratedRegex(@"\bTO[D]O\b(?! ?\(?#\d+)")]
    private static partial Regex Unfinished();

    [GeneratedRegex(@"(?<!\!)\[[^\]\n]*\]\((?<target>[^)\s]+)\)")]
    private static partial Regex Link();
}
