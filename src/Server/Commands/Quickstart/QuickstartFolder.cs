using Atoll.Cli;

namespace Atoll.Commands.Quickstart;

/// <summary>Where a quickstart keeps its server's data; a temporary one goes with its owner.</summary>
internal sealed class QuickstartFolder : IDisposable
{
    public const string KeptName = "atoll-quickstart";

    private QuickstartFolder(string path, bool isKept)
    {
        Root = path;
        IsKept = isKept;
    }

    public string Root { get; }

    public bool IsKept { get; }

    public string Data => Path.Combine(Root, "data");

    public string Log => Path.Combine(Root, "server.log");

    /// <summary>Image files to try the server with.</summary>
    public string Unseen => Directory.CreateDirectory(Path.Combine(Root, "unseen")).FullName;

    public static QuickstartFolder Create(bool keep)
    {
        if (!keep) return new QuickstartFolder(Directory.CreateTempSubdirectory("atoll-quickstart-").FullName, isKept: false);
        var path = Path.GetFullPath(KeptName);
        if (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
            throw new RefusedException($"The folder {path} holds a former quickstart.", $"Serve it with 'atoll serve --data {KeptName}/data', or delete it and run this again.");
        return new QuickstartFolder(Directory.CreateDirectory(path).FullName, isKept: true);
    }

    public void Dispose()
    {
        if (IsKept) return;
        try
        {
            Directory.Delete(Root, recursive: true);
        }
        catch (IOException)
        {
            // Something still holds a file (a virus scanner, a shell); the system clears its temporary folder itself.
        }
    }
}
