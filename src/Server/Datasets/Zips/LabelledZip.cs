using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>What the files of a zip are, besides their labels.</summary>
internal sealed record ZipContent
{
    /// <summary>One of them, in words: <c>image</c>.</summary>
    public required string Noun { get; init; }

    /// <summary>The code for a file that is none.</summary>
    public required string NotOfKind { get; init; }

    /// <summary>
    /// From bytes, extension, place and sink to what counts the file once it is taken; null for a file that cannot be used, of which the sink was told.
    /// </summary>
    public required Func<byte[], string, Place, SampleSink, Action?> Check { get; init; }

    /// <summary>A <see cref="LabelList"/> in the zip gives the labels, in place of folders.</summary>
    public bool TakesList { get; init; }
}

/// <summary>A zip file of samples, in one folder per label, on its way into the sink: a sample is a file as it was packed.</summary>
internal sealed class LabelledZip(ZipDirectory zip, int file, ImportSettings settings, SampleSink sink, ZipContent content)
{
    private static readonly string[] ArchiveExtensions = [".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".jar"];
    private static readonly string[] NoteExtensions = [".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".html", ".yaml", ".yml", ".pdf", ""];

    private readonly HashSet<string> _names = new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<long> _offsets = [];

    public static void ImportAll(IReadOnlyList<SourceFile> files, ImportSettings settings, SampleSink sink, ZipContent content, CancellationToken cancellationToken)
    {
        for (int file = 0; file < files.Count; file++)
        {
            using var stream = new FileStream(files[file].Path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
            if (Open(stream, sink, file, content) is { } zip) new LabelledZip(zip, file, settings, sink, content).Run(cancellationToken);
        }
    }

    private static ZipDirectory? Open(FileStream stream, SampleSink sink, int file, ZipContent content)
    {
        var place = new Place(file, 0);
        if (stream.Length == 0)
        {
            sink.Fatal(ImportProblemCodes.EmptyFile, $"The file is empty. Upload a zip file with one folder of {content.Noun}s per label.", place);
            return null;
        }

        try
        {
            return ZipDirectory.Read(stream, sink.Settings.Limits.EntriesMax);
        }
        catch (ZipFormatException exception)
        {
            sink.Fatal(ImportProblemCodes.InvalidZip, $"{exception.Message} Upload a zip file with one folder of {content.Noun}s per label.", place);
        }
        catch (ZipTooManyEntriesException exception)
        {
            sink.Fatal(ImportProblemCodes.TooManyEntries, $"{exception.Message} At most {sink.Settings.Limits.EntriesMax:N0} are allowed; upload several files.", place);
        }

        return null;
    }

    private void Run(CancellationToken cancellationToken)
    {
        var entries = new List<(ZipItem Item, string[] Path)>();
        long announced = 0;
        foreach (var item in zip.Items)
        {
            if (item.IsFolder || PathOf(item) is not { } path) continue;

            announced = announced > long.MaxValue - Math.Max(0, item.Bytes) ? long.MaxValue : announced + item.Bytes;
            entries.Add((item, path));
        }

        if (announced > settings.Limits.ArchiveBytesMax)
        {
            sink.Fatal(ImportProblemCodes.ArchiveTooLarge,
                $"Unpacked, the zip file would have {announced:N0} bytes; at most {settings.Limits.ArchiveBytesMax:N0} are allowed. Upload several files, or smaller {content.Noun}s.", new Place(file, 0));
            return;
        }

        if (content.TakesList && entries.Find(entry => LabelList.IsName(entry.Path[^1])) is { Path: { } listed } found)
        {
            RunListed(found.Item, listed, entries, cancellationToken);
            return;
        }

        // Notes beside the folders say nothing about the layout.
        int root = RootDepth([.. entries.Where(entry => entry.Path.Length > 1)]);
        bool splitFolders = HasSplitFolders(entries, root);
        for (int i = 0; i < entries.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if ((i & 63) == 0) sink.Report((file + ((double)i / entries.Count)) / sink.Files.Count);

            var (item, path) = entries[i];
            Take(item, path[Math.Min(root, path.Length - 1)..], splitFolders);
        }
    }

    private void RunListed(ZipItem item, string[] path, List<(ZipItem Item, string[] Path)> entries, CancellationToken cancellationToken)
    {
        var (bytes, fault) = zip.Unpack(item, settings.Limits.EntryBytesMax, settings.Limits.CompressionRatioMax);
        if (fault != ZipFault.None)
        {
            RefuseEntry(item, fault, new Place(file, 0, item.Name));
            return;
        }

        if (LabelList.Read(bytes, item.Name, path[..^1], file, sink, cancellationToken) is not { } list) return;

        for (int i = 0; i < entries.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if ((i & 63) == 0) sink.Report((file + ((double)i / entries.Count)) / sink.Files.Count);
            TakeListed(entries[i].Item, entries[i].Path, list);
        }

        list.TellMissing();
    }

    /// <summary>The path in parts, or null for what is left alone or refused.</summary>
    private string[]? PathOf(ZipItem item)
    {
        var name = item.Name.Replace('\\', '/');
        var parts = name.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length > 0 && (parts[0] == "__MACOSX" || IsJunk(parts[^1]))) return null;

        var place = new Place(file, 0, Printable(item.Name));
        if (parts.Length == 0 || name.StartsWith('/') || parts.Contains("..") || parts.Contains(".") || (name.Length > 1 && name[1] == ':') || name.Any(char.IsControl))
        {
            sink.Bad(ImportProblemCodes.UnsafePath, "The name of the entry leads out of its folder. Pack the folder again with an ordinary zip program.", place);
        }
        else if (item.IsSymbolicLink)
        {
            sink.Bad(ImportProblemCodes.SymbolicLink, "The entry is a symbolic link. Pack the file itself.", place);
        }
        else if (item.IsEncrypted)
        {
            sink.Bad(ImportProblemCodes.EncryptedEntry, "The entry is encrypted. Pack without a password.", place);
        }
        else if (!_names.Add(name))
        {
            sink.Bad(ImportProblemCodes.DuplicateEntry, "The zip file has two entries of this name. Pack it again.", place);
        }
        else if (!_offsets.Add(item.HeaderOffset))
        {
            sink.Bad(ImportProblemCodes.DamagedEntry, "The entry shares its bytes with another one. Pack the file again.", place);
        }
        else
        {
            return parts;
        }

        return null;
    }

    private void Take(ZipItem item, string[] path, bool splitFolders)
    {
        var place = new Place(file, 0, item.Name);
        Split? split = null;
        if (splitFolders && path.Length > 1)
        {
            split = SplitFolder(path[0]);
            path = path[1..];
        }

        var extension = Path.GetExtension(path[^1]).ToLowerInvariant();
        if (path.Length < 2 && NoteExtensions.Contains(extension))
        {
            sink.Warn(content.NotOfKind, $"The file stands beside the label folders and is no {content.Noun}; it is left out.", place);
            return;
        }

        if (path.Length < 2 && !ArchiveExtensions.Contains(extension))
        {
            sink.Bad(ImportProblemCodes.NoLabelFolder, $"The {content.Noun} is in no folder. Put it into the folder of its label.", place);
            return;
        }

        Add(item, path[0].Trim(), "Shorten the name of the folder.", split, extension, place);
    }

    private void TakeListed(ZipItem item, string[] path, LabelList list)
    {
        var place = new Place(file, 0, item.Name);
        var extension = Path.GetExtension(path[^1]).ToLowerInvariant();
        if (list.Take(path) is { } row) Add(item, row.Label, "Shorten it.", row.Split, extension, place);
        else if (!NoteExtensions.Contains(extension)) sink.Warn(ImportProblemCodes.FileNotListed, $"The list {list.Entry} does not name the file; it is left out.", place);
    }

    private void Add(ZipItem item, string label, string remedy, Split? split, string extension, Place place)
    {
        if (ArchiveExtensions.Contains(extension))
        {
            sink.Bad(ImportProblemCodes.NestedArchive, "The entry is an archive itself. Unpack it into the folder of its label.", place);
            return;
        }

        var (bytes, fault) = zip.Unpack(item, settings.Limits.EntryBytesMax, settings.Limits.CompressionRatioMax);
        if (fault != ZipFault.None)
        {
            RefuseEntry(item, fault, place);
            return;
        }

        if (label.Length > settings.Limits.LabelCharsMax)
        {
            sink.Bad(ImportProblemCodes.LabelTooLong, $"The label has {label.Length:N0} characters, at most {settings.Limits.LabelCharsMax} are allowed. {remedy}", place);
            return;
        }

        if (IsArchive(bytes))
        {
            sink.Bad(ImportProblemCodes.NestedArchive, "The entry is an archive itself, whatever its name. Unpack it into the folder of its label.", place);
            return;
        }

        if (content.Check(bytes, extension, place, sink) is not { } count) return;

        int number = sink.NumberOf(label);
        if (number < 0) return;

        count();
        if (split is { } given) sink.Add(bytes, [number], place, given);
        else sink.Add(bytes, [number], place);
    }

    private void RefuseEntry(ZipItem item, ZipFault fault, Place place)
    {
        var (code, message) = fault switch
        {
            ZipFault.TooLarge => (ImportProblemCodes.EntryTooLarge, $"Unpacked, the entry has {item.Bytes:N0} bytes; at most {settings.Limits.EntryBytesMax:N0} are allowed. Make the {content.Noun} smaller."),
            ZipFault.Ratio => (ImportProblemCodes.CompressionRatio, $"The entry unpacks to {item.Bytes / Math.Max(1, item.PackedBytes):N0} times its size, which no {content.Noun} does. Take it out."),
            ZipFault.Method => (ImportProblemCodes.DamagedEntry, "The entry is packed in a way that is not supported. Pack it as ordinary zip (deflate)."),
            _ => (ImportProblemCodes.DamagedEntry, "The entry cannot be unpacked: its bytes are not those that were packed. Pack it again."),
        };
        sink.Bad(code, message, place);
    }

    /// <summary>Folders around all label folders, as when a folder was packed and not what is in it.</summary>
    private static int RootDepth(List<(ZipItem Item, string[] Path)> entries)
    {
        int depth = 0;
        while (entries.Count > 0)
        {
            var first = entries.FirstOrDefault(entry => entry.Path.Length > depth + 2).Path;
            if (first is null) return depth;

            // A folder that all images share, two levels above each of them, is no label.
            bool shared = entries.All(entry => entry.Path.Length > depth + 1 && entry.Path[depth] == first[depth]);
            bool labelsBelow = entries.Where(entry => entry.Path.Length > depth + 2).Select(entry => entry.Path[depth + 1]).Distinct().Count() > 1;
            if (!shared || !labelsBelow && !entries.All(entry => entry.Path.Length > depth + 2)) return depth;

            depth++;
        }

        return depth;
    }

    private static bool HasSplitFolders(List<(ZipItem Item, string[] Path)> entries, int root)
    {
        var deep = entries.Where(entry => entry.Path.Length >= root + 3).Select(entry => entry.Path[root]).Distinct().ToList();
        return deep.Count >= 2 && entries.Where(entry => entry.Path.Length >= root + 2).All(entry => entry.Path.Length >= root + 3) && deep.All(name => SplitFolder(name) is not null);
    }

    private static Split? SplitFolder(string name) => name.ToLowerInvariant() switch
    {
        "train" or "training" => Split.Train,
        "test" or "testing" => Split.Test,
        "val" or "valid" or "validation" or "dev" => Split.Validation,
        _ => null,
    };

    private static bool IsJunk(string name) => name.StartsWith("._", StringComparison.Ordinal) || name is ".DS_Store" or "Thumbs.db" or "desktop.ini" or ".gitkeep" or ".directory";

    private static bool IsArchive(ReadOnlySpan<byte> bytes) =>
        bytes.StartsWith("PK\u0003\u0004"u8) || bytes.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]) || bytes.StartsWith((ReadOnlySpan<byte>)[0x37, 0x7A, 0xBC, 0xAF]) || bytes.StartsWith("Rar!"u8)
        || (bytes.Length > 262 && bytes[257..].StartsWith("ustar"u8));

    private static string Printable(string name) => string.Concat(name.Select(c => char.IsControl(c) ? '\uFFFD' : c));
}
