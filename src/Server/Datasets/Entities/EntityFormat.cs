using System.Text;
using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>Texts in which entities are marked: a file of words with tags (CoNLL), or JSON lines with spans or with tags.</summary>
internal sealed class EntityFormat : IDatasetFormat
{
    public string Type => DatasetTypes.Entities;

    public DatasetSchema Import(IReadOnlyList<SourceFile> files, ImportSettings settings, SampleSink sink, CancellationToken cancellationToken)
    {
        sink.MultiLabel = true;
        sink.LabelsMarkParts = true;
        for (int file = 0; file < files.Count; file++)
        {
            using var stream = new FileStream(files[file].Path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
            var head = new byte[1024];
            int length = stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
            stream.Position = 0;
            if (Foreign(head.AsSpan(0, length)) is { } foreign)
            {
                sink.Problems.Fatal(new ImportProblem(length == 0 ? ImportProblemCodes.EmptyFile : ImportProblemCodes.WrongFileType, foreign, files[file].Name));
                continue;
            }

            var import = new EntityImport(sink, file);
            if (TableReader.LooksLikeJsonLines(head.AsSpan(0, length))) EntityLines.Read(stream, import, cancellationToken);
            else TaggedWords.Read(stream, import, cancellationToken);
        }

        return new DatasetSchema { MultiLabel = true };
    }

    public SampleResponse Describe(SampleResponse sample, ReadOnlySpan<byte> payload, DatasetSchema schema)
    {
        var read = EntitySample.Read(payload);
        return sample with { Text = read.Text, Entities = read.Entities };
    }

    public string ContentType(ReadOnlySpan<byte> payload) => "application/json";

    private static string? Foreign(ReadOnlySpan<byte> head)
    {
        const string Remedy = "Upload words with tags (CoNLL), or JSON lines.";
        if (head.IsEmpty) return $"The file is empty. {Remedy}";
        return TableReader.Foreign(head) is null ? null : head.TrimStart(" \t\r\n"u8).StartsWith("["u8)
            ? "This is one JSON array. Write one JSON object per line, without brackets and commas around them."
            : $"This is no text file with marked entities. {Remedy}";
    }
}

/// <summary>Takes the sentences of one file, whichever way they are written.</summary>
internal sealed class EntityImport(SampleSink sink, int file)
{
    /// <summary>Code points that a model reads of a text; so none may be longer.</summary>
    public const int TextLengthMax = 9_000;

    private const int OddOrdersListed = 10;

    private readonly List<int> _numbers = [];
    private int _oddOrders;

    public SampleSink Sink => sink;

    public string FileName => sink.Files[file].Name;

    public Place At(long line) => new(file, line);

    public void Report(double fraction) => sink.Report((file + fraction) / sink.Files.Count);

    public void Bad(string code, string message, long line, string? column = null) => sink.Bad(code, message, At(line), column);

    /// <summary>What is wrong with a label; null when nothing is.</summary>
    public string? CheckLabel(ReadOnlySpan<char> label) => label.Length <= sink.Settings.Limits.LabelCharsMax ? null
        : $"The label has {label.Length:N0} characters, at most {sink.Settings.Limits.LabelCharsMax} are allowed. Shorten it.";

    public void Add(EntitySample sample, long line, bool hasOddOrder = false)
    {
        if (string.IsNullOrWhiteSpace(sample.Text))
        {
            Bad(ImportProblemCodes.MissingText, "There is no text. Fill it in, or take the line out.", line);
            return;
        }

        int length = CodePoints.Count(sample.Text);
        if (length > TextLengthMax)
        {
            Bad(ImportProblemCodes.TextTooLong,
                $"The text that begins here has {length:N0} characters, at most {TextLengthMax:N0} are read. Divide it, with an empty line after each sentence in a file of words.", line);
            return;
        }

        _numbers.Clear();
        foreach (var entity in sample.Entities)
        {
            int number = sink.NumberOf(entity.Label);
            if (number >= 0 && !_numbers.Contains(number)) _numbers.Add(number);
        }

        if (hasOddOrder && _oddOrders++ < OddOrdersListed)
        {
            sink.Warn(ImportProblemCodes.TagOrder,
                "In the sentence that begins here a tag says that an entity goes on where none does; it was taken as a beginning. In IOB1 that is right; otherwise write B- at the beginning of each entity.", At(line));
        }

        sink.TextLengths.Add(length);
        sink.Add(sample.ToBytes(), System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_numbers), At(line));
    }
}
