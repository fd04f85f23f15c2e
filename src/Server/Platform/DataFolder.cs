namespace Atoll.Platform;

/// <summary>The folder that holds everything a server keeps. One process owns it at a time.</summary>
internal sealed class DataFolder : IDisposable
{
    /// <summary>Version of the folder's layout; a newer one than this is refused.</summary>
    public const int LayoutVersion = 1;

    // What .NET says when another process has the lock: EWOULDBLOCK of Linux and of macOS, ERROR_SHARING_VIOLATION.
    private static readonly int[] LockIsTaken = [11, 35, unchecked((int)0x80070020)];

    private const string LockFile = "lock";
    private const string StampFile = "VERSION";

    private readonly FileStream _lock;

    private DataFolder(string path, FileStream folderLock, bool created)
    {
        Root = path;
        _lock = folderLock;
        IsNew = created;
        DatabaseFile = Path.Combine(path, "atoll.db");
        Blobs = Directory.CreateDirectory(Path.Combine(path, "blobs")).FullName;
        Keys = PrivateFolder(Path.Combine(path, "keys"));
        Predictions = PrivateFolder(Path.Combine(path, "predictions"));
        Temporary = Path.Combine(path, "tmp");

        // What a former process left half-done was never acknowledged.
        if (Directory.Exists(Temporary)) Directory.Delete(Temporary, recursive: true);
        Directory.CreateDirectory(Temporary);
    }

    public string Root { get; }

    /// <summary>This start made the folder.</summary>
    public bool IsNew { get; }

    public string DatabaseFile { get; }

    public string Blobs { get; }

    public string Keys { get; }

    /// <summary>Logs of predictions, by tenant and endpoint.</summary>
    public string Predictions { get; }

    /// <summary>Emptied at every start; on the same file system as the blobs, so that a rename is atomic.</summary>
    public string Temporary { get; }

    /// <summary>Opens or creates the folder and takes its lock.</summary>
    /// <exception cref="DataFolderException">It is in use, from a newer Atoll, or something else's.</exception>
    public static DataFolder Open(string path)
    {
        path = Path.GetFullPath(path);
        if (File.Exists(path)) throw new DataFolderException($"The data folder {path} is a file. Choose a folder with --data.");
        FileStream folderLock;
        try
        {
            // Looked at before anything is written: a folder that is not ours stays as it is.
            if (Directory.Exists(path) && IsForeign(path))
                throw new DataFolderException($"The folder {path} is not empty and was not made by Atoll. Choose another folder with --data.");
            PrivateFolder(path);
            folderLock = new FileStream(Path.Combine(path, LockFile), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception) when (LockIsTaken.Contains(exception.HResult))
        {
            throw new DataFolderException($"The data folder {path} is in use by another Atoll. Stop that one, or choose another folder with --data.");
        }
        catch (IOException exception)
        {
            throw new DataFolderException($"The data folder {path} cannot be opened: {exception.Message} Choose another folder with --data.");
        }
        catch (UnauthorizedAccessException)
        {
            throw new DataFolderException($"The data folder {path} cannot be written. Choose another folder with --data, or change its owner.");
        }

        try
        {
            var stamp = Path.Combine(path, StampFile);
            var created = !File.Exists(stamp);
            if (created) DurableFiles.WriteAllText(stamp, $"{LayoutVersion}\n");
            else if (!int.TryParse(File.ReadAllText(stamp).Trim(), out var version) || version < 1)
                throw new DataFolderException($"The file {stamp} does not hold a version number; the folder is damaged. Restore it from a backup.");
            else if (version > LayoutVersion)
                throw new DataFolderException($"The data folder {path} has layout {version}, this Atoll knows up to {LayoutVersion}. Use a newer Atoll.");
            return new DataFolder(path, folderLock, created);
        }
        catch
        {
            folderLock.Dispose();
            throw;
        }
    }

    /// <summary>A name for a temporary file that nobody else uses.</summary>
    public string NewTemporaryFile() => Path.Combine(Temporary, Guid.NewGuid().ToString("N"));

    /// <summary>A temporary folder of one's own; it exists.</summary>
    public string NewTemporaryFolder() => Directory.CreateDirectory(NewTemporaryFile()).FullName;

    public void Dispose() => _lock.Dispose();

    // The stamp is the first thing that a start writes after the lock; whatever else is there without it is somebody else's.
    private static bool IsForeign(string path) => !File.Exists(Path.Combine(path, StampFile))
        && Directory.EnumerateFileSystemEntries(path).Any(entry => Path.GetFileName(entry) is not LockFile and not StampFile + ".tmp");

    // Only the server's own user may look inside. Windows inherits the rights of the parent folder.
    private static string PrivateFolder(string path) => OperatingSystem.IsWindows()
        ? Directory.CreateDirectory(path).FullName
        : Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
}

/// <summary>The data folder cannot be used; the message says why and what to do.</summary>
internal sealed class DataFolderException(string message) : Exception(message);
