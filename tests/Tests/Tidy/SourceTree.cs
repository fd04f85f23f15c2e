namespace Atoll.Tests.Tidy;

/// <summary>The repository's own text files.</summary>
internal static class SourceTree
{
    private static readonly string[] Skipped = ["bin", "obj", "node_modules", ".git", "TestResults", "BenchmarkDotNet.Artifacts", ".atoll", "data"];

    /// <summary>Files with one of the endings below a folder of the repository, as path from the root and text.</summary>
    public static IEnumerable<(string Path, string Text)> Files(string folder, params string[] endings) =>
        Walk(Golden.InRepository(folder)).Where(file => endings.Contains(Path.GetExtension(file)))
            .Order(StringComparer.Ordinal).Select(file => (Path.GetRelativePath(Golden.Root, file).Replace('\\', '/'), File.ReadAllText(file)));

    private static IEnumerable<string> Walk(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(folder)) yield return file;
        foreach (var child in Directory.EnumerateDirectories(folder).Where(child => !Skipped.Contains(Path.GetFileName(child))))
            foreach (var file in Walk(child)) yield return file;
    }
}
