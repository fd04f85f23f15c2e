using System.Text;
using Atoll.Contracts;
using Atoll.Platform.Audio;
using Atoll.Platform.Imaging;
using Atoll.Training;

namespace Atoll.Datasets;

/// <summary>Gives the samples of a dataset version as the trainers take them.</summary>
/// <remarks>
/// When there are more samples than wanted, those with the lowest seeded hashes are taken, in the order of the version: the choice depends
/// on the samples and the seed only.
/// </remarks>
internal sealed class ExampleReader(SamplePackReader pack, DatasetManifest manifest)
{
    private const int ClassesMax = 1000;

    /// <summary>The rows of a split, by columns.</summary>
    /// <param name="target">Column to predict; rows without it are left out. A column of classes becomes texts, whatever its type.</param>
    public TabularExamples ReadTabular(Split split, string target, bool targetIsClass, int rowsMax = int.MaxValue, int seed = 1)
    {
        var columns = manifest.Schema.Columns;
        int targetIndex = columns.ToList().FindIndex(column => column.Name == target);
        if (targetIndex < 0) throw new ArgumentException($"The dataset has no column '{target}'.", nameof(target));

        var positions = Select(split, rowsMax, seed);
        var numbers = new float[columns.Count][];
        var texts = new string?[columns.Count][];
        for (int i = 0; i < columns.Count; i++)
        {
            bool numeric = ColumnTypes.IsNumeric(columns[i].Type) && !(i == targetIndex && targetIsClass);
            if (numeric) numbers[i] = new float[positions.Count];
            else texts[i] = new string?[positions.Count];
        }

        // Values repeat: a table of a million rows has few different texts in most columns.
        var known = columns.Select(_ => new HashSet<string>().GetAlternateLookup<ReadOnlySpan<char>>()).ToArray();
        var bytes = new byte[4096];
        var line = new char[4096];
        var scratch = new char[4096];
        int row = 0;
        foreach (long position in positions)
        {
            var payload = pack.Payload(pack.Record(position), ref bytes);
            if (line.Length < payload.Length) (line, scratch) = (new char[payload.Length * 2], new char[payload.Length * 2]);

            int length = Encoding.UTF8.GetChars(payload, line);
            if (ReadRow(CsvLine.Read(line.AsSpan(0, length), scratch), row, targetIndex, numbers, texts, known)) row++;
        }

        return new TabularExamples([.. columns.Select((column, i) => new ColumnValues
        {
            Name = column.Name,
            Type = i == targetIndex && targetIsClass && ColumnTypes.IsNumeric(column.Type) ? ColumnTypes.Category : column.Type,
            Numbers = numbers[i] is { } values ? values[..row] : null,
            Texts = texts[i] is { } words ? words[..row] : null,
        })], row, target);
    }

    /// <summary>The texts of a split with their labels.</summary>
    public TextExamples ReadTexts(Split split, int textsMax = int.MaxValue, int seed = 1)
    {
        var positions = Select(split, textsMax, seed);
        var texts = new string[positions.Count];
        var labels = new int[positions.Count][];
        var bytes = new byte[4096];
        for (int i = 0; i < texts.Length; i++)
        {
            var record = pack.Record(positions[i]);
            texts[i] = Encoding.UTF8.GetString(pack.Payload(record, ref bytes));
            labels[i] = pack.Labels(record);
        }

        return new TextExamples(texts, labels, manifest.Labels);
    }

    /// <summary>The texts of a split with what is marked in them.</summary>
    public EntityExamples ReadEntities(Split split, int textsMax = int.MaxValue, int seed = 1)
    {
        var bytes = new byte[4096];
        return new EntityExamples(Select(split, textsMax, seed).ConvertAll(position => EntitySample.Read(pack.Payload(pack.Record(position), ref bytes))), manifest.Labels);
    }

    /// <summary>The images of a split with their labels; each is read and decoded when it is asked for, while this reader's pack is open.</summary>
    public ImageExamples ReadImages(Split split, int imagesMax = int.MaxValue, int seed = 1)
    {
        var positions = Select(split, imagesMax, seed);
        var labels = positions.Select(position => pack.Labels(pack.Record(position))).ToList();
        return new ImageExamples(positions.Count, i => ImageDecoder.Decode(pack.Payload(pack.Record(positions[i])), long.MaxValue), labels, manifest.Labels);
    }

    /// <summary>The sounds of a split with their labels; each is read and decoded when it is asked for, while this reader's pack is open.</summary>
    public SoundExamples ReadSounds(Split split, int soundsMax = int.MaxValue, int seed = 1)
    {
        var positions = Select(split, soundsMax, seed);
        var labels = positions.Select(position => pack.Labels(pack.Record(position))).ToList();
        return new SoundExamples(positions.Count, i => WavFile.Decode(pack.Payload(pack.Record(positions[i])), double.MaxValue), labels, manifest.Labels);
    }

    private List<long> Select(Split split, int max, int seed)
    {
        var all = new List<(long Position, ulong Hash)>();
        foreach (var (position, record) in pack.Records())
        {
            if (record.Split == split) all.Add((position, StableHash.Reseed(record.Hash, seed)));
        }

        if (all.Count > max)
        {
            all.Sort(static (left, right) => (left.Hash, left.Position).CompareTo((right.Hash, right.Position)));
            all.RemoveRange(max, all.Count - max);
            all.Sort(static (left, right) => left.Position.CompareTo(right.Position));
        }

        return all.ConvertAll(static item => item.Position);
    }

    /// <summary>False when the row has no target.</summary>
    private bool ReadRow(CsvLine.Values cells, int row, int target, float[][] numbers, string?[][] texts, HashSet<string>.AlternateLookup<ReadOnlySpan<char>>[] known)
    {
        bool complete = false;
        for (int column = 0; column < numbers.Length && cells.MoveNext(); column++)
        {
            var value = cells.Current;
            if (numbers[column] is { } values)
            {
                bool comma = manifest.Schema.Columns[column].Format == ColumnFormats.DecimalComma;
                values[row] = CellValues.TryNumeric(value, comma, out double number) ? (float)number : float.NaN;
                if (column == target) complete = !float.IsNaN(values[row]);
            }
            else
            {
                texts[column][row] = value.IsEmpty ? null : Shared(known[column], value);
                if (column == target) complete = !value.IsEmpty;
            }
        }

        return complete;
    }

    private static string Shared(HashSet<string>.AlternateLookup<ReadOnlySpan<char>> known, ReadOnlySpan<char> value)
    {
        if (known.TryGetValue(value, out var text)) return text;

        text = value.ToString();
        if (known.Set.Count < ClassesMax) known.Set.Add(text);
        return text;
    }
}
