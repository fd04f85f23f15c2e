using System.Runtime.CompilerServices;

namespace Atoll.Tests;

/// <summary>Compares with files of the repository that a reviewer reads; <c>UPDATE_GOLDEN=1</c> rewrites them.</summary>
internal static class Golden
{
    /// <summary>The folder in which the solution stands.</summary>
    public static string Root { get; } = FindRoot();

    public static string InRepository(string path) => Path.Combine(Root, path);

    public static void Check(string path, string actual)
    {
        actual = actual.ReplaceLineEndings("\n");
        var file = InRepository(path);
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, actual);
        }
        Assert.True(File.Exists(file), $"{path} is missing. Make it with UPDATE_GOLDEN=1 and read what changed.");
        Assert.True(
            File.ReadAllText(file).ReplaceLineEndings("\n") == actual,
            $"{path} is not what the program says now{FirstDifference(File.ReadAllText(file).ReplaceLineEndings("\n"), actual)}. If that is right, rewrite it with UPDATE_GOLDEN=1.");
    }

    private static string FirstDifference(string expected, string actual)
    {
        var (before, after) = (expected.Split('\n'), actual.Split('\n'));
        for (var i = 0; i < Math.Max(before.Length, after.Length); i++)
        {
            var (was, now) = (i < before.Length ? before[i] : "(end)", i < after.Length ? after[i] : "(end)");
            if (was != now) return $": line {i + 1} was '{was.Trim()}' and is '{now.Trim()}'";
        }
        return "";
    }

    private static string FindRoot([CallerFilePath] string here = "")
    {
        var folder = Path.GetDirectoryName(here);
        while (folder is not null && !File.Exists(Path.Combine(folder, "Atoll.slnx"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("The tests were built outside the repository.");
    }
}
