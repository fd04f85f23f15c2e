using System.Text.RegularExpressions;

namespace Atoll.Tests.Tidy;

/// <summary>Who may use whom. A new edge is a decision: it is made here, where it is seen.</summary>
public sealed partial class EdgeTests
{
    /// <summary>Project to the projects that it references.</summary>
    private static readonly Dictionary<string, string[]> Projects = new()
    {
        ["src/Contracts"] = [],
        ["src/Client"] = ["src/Contracts"],
        ["src/Cli"] = ["src/Client", "src/Contracts"],
        ["src/Serving"] = ["src/Contracts"],
        ["src/Server"] = ["src/Cli", "src/Client", "src/Contracts", "src/Serving"],
        ["tests/Tests"] = ["src/Server", "bench/Benchmarks"],
        ["bench/Benchmarks"] = ["src/Server", "src/Serving"],
    };

    /// <summary>Module of the server to the modules that it may use. All may use Platform, which uses none.</summary>
    private static readonly Dictionary<string, string[]> Modules = new()
    {
        ["Platform"] = [],
        ["Tenancy"] = [],

        // Datasets hand samples to trainers in the trainers' own form (Training/Examples.cs).
        ["Datasets"] = ["Training"],
        ["Training"] = ["Datasets", "Deployments", "Registry"],
        ["Registry"] = ["Deployments"],
        ["ModelImports"] = ["Deployments", "Registry"],
        ["Promotion"] = ["Deployments", "Registry"],
        ["Deployments"] = ["Registry"],

        // Raw values and csv files are read as in the data that a model was trained on.
        // A load over the Open Inference Protocol may bring a model along, which takes the way of every import.
        ["Prediction"] = ["Datasets", "Deployments", "ModelImports", "Monitoring", "Registry"],

        // A translation: it has no data, no training and no prediction of its own.
        ["Einstein"] = ["Datasets", "Deployments", "Monitoring", "Prediction", "Registry", "Training"],

        ["Monitoring"] = ["Deployments", "Registry", "Tenancy"],

        // The server's own verbs of the command line stand above all modules.
        ["Commands"] = ["Datasets", "Deployments", "ModelImports", "Prediction", "Promotion", "Registry", "Tenancy", "Training"],
    };

    [Fact]
    public void Projects_reference_only_what_the_table_says()
    {
        var wrong = new List<string>();
        foreach (var (path, text) in SourceTree.Files("", ".csproj"))
        {
            var project = Path.GetDirectoryName(path)!.Replace('\\', '/');
            if (!Projects.TryGetValue(project, out var allowed))
            {
                wrong.Add($"{project} is not in the table.");
                continue;
            }
            foreach (Match match in ProjectReference().Matches(text))
            {
                var target = Path.GetRelativePath(Golden.Root, Path.GetFullPath(Path.Combine(Golden.InRepository(project), Path.GetDirectoryName(match.Groups[1].Value)!))).Replace('\\', '/');
                if (!allowed.Contains(target)) wrong.Add($"{project} references {target}.");
            }
        }
        Assert.Empty(wrong);
    }

    [Fact]
    public void Modules_use_only_what_the_table_says()
    {
        var folders = Directory.EnumerateDirectories(Golden.InRepository("src/Server")).Select(Path.GetFileName).Where(name => name is not "bin" and not "obj").ToList();
        Assert.True(folders.Except(Modules.Keys).ToList() is [], $"Not in the table: {string.Join(", ", folders.Except(Modules.Keys))}");
        var wrong = new HashSet<string>();
        foreach (var module in folders)
        {
            foreach (var (path, text) in SourceTree.Files($"src/Server/{module}", ".cs"))
            {
                foreach (Match match in Mention().Matches(text))
                {
                    var other = match.Groups[1].Value;
                    if (other == module || other == "Platform" || !Modules.ContainsKey(other) || Modules[module!].Contains(other)) continue;
                    wrong.Add($"{path} uses {other}: {module} -> {other} is not in the table.");
                }
            }
        }
        Assert.Empty(wrong);
    }

    [Fact]
    public void Serving_knows_neither_the_web_nor_the_database()
    {
        var wrong = SourceTree.Files("src/Serving", ".cs").Where(file => Regex.IsMatch(file.Text, @"\bMicrosoft\.(AspNetCore|EntityFrameworkCore|Data)\b")).Select(file => file.Path);
        Assert.Empty(wrong);
    }

    [GeneratedRegex("<ProjectReference Include=\"([^\"]+)\"")]
    private static partial Regex ProjectReference();

    [GeneratedRegex(@"\bAtoll\.([A-Z]\w+)\b")]
    private static partial Regex Mention();
}
