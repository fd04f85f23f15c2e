using System.Text;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Tests.Platform.Imaging;
using static Atoll.Contracts.ImportProblemCodes;

namespace Atoll.Tests.Datasets;

/// <summary>Uploads that people really send, and some that only attackers do: each is refused with a code and a place, or goes through with a warning.</summary>
public sealed class MalformedUploadTests
{
    private const string Table = DatasetTypes.Tabular, Texts = DatasetTypes.Text, Image = DatasetTypes.Image;

    private static readonly byte[] Red = TestImages.SolidPng(255, 0, 0), Green = TestImages.SolidPng(0, 255, 0), Blue = TestImages.SolidPng(0, 0, 255), White = TestImages.SolidPng(255, 255, 255);

    private static readonly ImportLimits Small = new()
    {
        ProblemsMax = 5, LabelsMax = 5, LabelCharsMax = 20, Csv = new CsvLimits(100, 300, 8), JsonLineBytesMax = 200,
        EntriesMax = 10, EntryBytesMax = 3 << 20, ArchiveBytesMax = 5 << 20, PixelsMax = 10_000, SamplesMax = 50, CompressionRatioMax = 50,
    };

    /// <summary>Type, file, settings; expected code, line, entry and column; and is a part of it usable?</summary>
    private static readonly (string Name, string Type, byte[] File, ImportSettings Settings, ImportProblem Expected, bool PartIsGood)[] Refused =
    [
        Row("empty table", Table, "", new(EmptyFile, ""), false),
        Row("blank table", Table, "\n\n  \n", new(NoRows, ""), false),
        Row("header only", Table, "a,b\n", new(NoRows, ""), false),
        Row("row too short", Table, "a,b,c\n1,2,3\n4,5\n6,7,8\n", new(RowLength, "", Line: 3), true),
        Row("row too long", Table, "a,b\n1,2\n4,5,6\n7,8\n", new(RowLength, "", Line: 3), true),
        Row("short row after a quoted newline", Table, "a,b\n\"x\ny\",2\n4\n7,8\n", new(RowLength, "", Line: 4), true),
        Row("text after quote", Table, "a,b\n1,\"2\"3\n4,5\n6,7\n", new(TextAfterQuote, "", Line: 2, Column: "b"), true),
        Row("NUL", Table, "a,b\n1,2\n3,\u00004\n5,6\n", new(NulCharacter, "", Line: 3, Column: "b"), true),
        Row("open quote", Table, "a,b\n1,2\n\"3,4\n5,6\n", new(UnterminatedQuote, "", Line: 3, Column: "a"), false),
        Row("field too long", Table, $"a,b\n1,2\n{new string('x', 101)},4\n5,6\n", new(FieldTooLong, "", Line: 3, Column: "a"), true),
        Row("row of too many characters", Table, $"a,b,c,d,e\n1,2,3,4,5\n{string.Join(',', Enumerable.Repeat(new string('x', 90), 5))}\n5,6,7,8,9\n", new(RowTooLong, "", Line: 3, Column: "d"), true),
        Row("too many columns", Table, "a,b,c,d,e,f,g,h,i\n1,2,3,4,5,6,7,8,9\n", new(TooManyColumns, "", Line: 1), false),
        Row("label column not there", Table, "a,b\n1,2\n3,4\n", new(LabelColumnNotFound, "", Line: 1, Column: "y"), false, new() { Label = "y" }),
        Row("row without label", Table, "a,y\n1,p\n2,\n3,q\n4,p\n5,q\n", new(MissingLabel, "", Line: 3, Column: "y"), true, new() { Label = "y" }),
        Row("row with a marker as label", Table, "a,y\n1,p\n2,N/A\n3,q\n4,p\n5,q\n", new(MissingLabel, "", Line: 3, Column: "y"), true, new() { Label = "y" }),
        Row("one label", Table, "a,y\n1,p\n2,p\n3,p\n", new(OneLabel, "", Line: 2), false, new() { Label = "y" }),
        Row("label with one example", Table, "a,y\n1,p\n2,q\n3,p\n4,q\n5,r\n", new(TooFewExamples, "", Line: 6), true, new() { Label = "y" }),
        Row("too many labels", Table, string.Concat(Enumerable.Range(0, 13).Select(i => i == 0 ? "a,y\n" : $"{i},l{i % 6}\n")), new(TooManyLabels, ""), false, new() { Label = "y" }),
        Row("value not of the given type", Table, "a,b\n1,x\nmany,y\n3,z\n", new(ValueNotOfType, "", Line: 3, Column: "a"), true, new() { ColumnTypes = new Dictionary<string, string> { ["a"] = "number" } }),
        Row("date not of the given type", Table, "a,b\n2024-01-01,x\n2024-31-31,y\n2024-01-03,z\n", new(ValueNotOfType, "", Line: 3, Column: "a"), true, new() { ColumnTypes = new Dictionary<string, string> { ["a"] = "date" } }),
        Row("type of an unknown column", Table, "a,b\n1,x\n2,y\n", new(UnknownColumn, "", Line: 1, Column: "c"), false, new() { ColumnTypes = new Dictionary<string, string> { ["c"] = "number" } }),
        Row("unknown type", Table, "a,b\n1,x\n2,y\n", new(UnknownColumnType, "", Line: 1, Column: "a"), false, new() { ColumnTypes = new Dictionary<string, string> { ["a"] = "money" } }),
        Row("workbook", Table, "PK\u0003\u0004rest of the workbook", new(WrongFileType, ""), false),
        Row("web page", Table, "<!DOCTYPE html><html>not found</html>", new(WrongFileType, ""), false),
        Row("JSON array", Table, "[{\"a\":1},{\"a\":2}]", new(WrongFileType, ""), false),
        Row("binary", Table, [1, 2, 3, 4, 5, 6, 7, 200, 201, 14, 15, 16, 17, 18], new(WrongFileType, ""), false),
        Row("image as table", Table, Red, new(WrongFileType, ""), false),
        Row("too many samples", Table, "a\n" + string.Concat(Enumerable.Range(0, 60).Select(i => $"x{i}\n")), new(TooManySamples, "", Line: 52), false),
        Row("broken JSON line", Table, "{\"a\":1}\n{\"a\":2\n{\"a\":3}\n", new(InvalidJson, "", Line: 2), true),
        Row("JSON line with more behind", Table, "{\"a\":1}\n{\"a\":2},\n{\"a\":3}\n", new(InvalidJson, "", Line: 2), true),
        Row("JSON line no object", Table, "{\"a\":1}\n[2]\n{\"a\":3}\n", new(LineNotObject, "", Line: 2), true),
        Row("nested JSON", Table, "{\"a\":1}\n{\"a\":{\"b\":2}}\n{\"a\":3}\n", new(NestedValue, "", Line: 2, Column: "a"), true),
        Row("JSON line too long", Table, $"{{\"a\":1}}\n{{\"a\":\"{new string('x', 400)}\"}}\n{{\"a\":3}}\n", new(RowTooLong, "", Line: 2), true),
        Row("JSON not UTF-8", Table, [.. "{\"a\":\"x\"}\n{\"a\":\""u8, 0xE9, .. "\"}\n{\"a\":\"y\"}\n"u8], new(UnreadableCharacters, "", Line: 2), true),

        Row("text without label column", Texts, "text\nhello\nworld\n", new(LabelColumnNotFound, "", Line: 1), false),
        Row("several label columns", Texts, "text,one,two\nhello,a,b\nworld,c,d\n", new(LabelColumnNotFound, "", Line: 1), false),
        Row("named text column not there", Texts, "text,label\nhello,a\nworld,b\n", new(TextColumnNotFound, "", Line: 1), false, new() { TextColumn = "body" }),
        Row("no text", Texts, "text,label\nhello,a\n  ,a\nworld,b\nmoon,b\nho,a\n", new(MissingText, "", Line: 3, Column: "text"), true),
        Row("no label", Texts, "text,label\nhello,a\nhi,\nworld,b\nmoon,b\nho,a\n", new(MissingLabel, "", Line: 3, Column: "label"), true),
        Row("label too long", Texts, "text,label\nhello,a\nhi,this is a sentence and no label\nworld,b\nmoon,b\nho,a\n", new(LabelTooLong, "", Line: 3, Column: "label"), true),
        Row("texts of one label", Texts, "text,label\nhello,a\nhi,a\n", new(OneLabel, "", Line: 2), false),
        Row("tags of words", Texts, "{\"tokens\":[\"so\",\"it\",\"is\"],\"tags\":[\"O\",\"O\",\"O\"]}\n{\"tokens\":[\"New\",\"York\"],\"tags\":[\"B-LOC\",\"I-LOC\"]}\n{\"tokens\":[\"in\",\"Rome\"],\"tags\":[\"O\",\"B-LOC\"]}\n", new(EntityTags, "", Line: 2, Column: "tags"), false),
        Row("a word and its tag on each line", Texts, "word\ttag\nin\tO\nNew\tB-LOC\nYork\tI-LOC\nit\tO\n", new(EntityTags, "", Line: 3, Column: "tag"), false),
        Row("names marked in texts", Texts, "{\"text\":\"a\",\"labels\":[\"x\"]}\n{\"text\":\"in Rome\",\"labels\":[{\"start\":3,\"end\":7,\"label\":\"LOC\"}]}\n{\"text\":\"c\",\"labels\":[\"y\",\"x\"]}\n", new(EntityTags, "", Line: 2, Column: "labels"), true),
        Row("list of words as text", Texts, "{\"text\":\"a\",\"label\":\"x\"}\n{\"text\":[\"in\",\"Rome\"],\"label\":\"y\"}\n{\"text\":\"c\",\"label\":\"y\"}\n{\"text\":\"d\",\"label\":\"x\"}\n{\"text\":\"e\",\"label\":\"y\"}\n", new(NestedValue, "", Line: 2, Column: "text"), true),
        Row("list of numbers as labels", Texts, "{\"text\":\"a\",\"labels\":[\"x\"]}\n{\"text\":\"b\",\"labels\":[1]}\n{\"text\":\"c\",\"labels\":[\"y\",\"x\"]}\n", new(NestedValue, "", Line: 2, Column: "labels"), true),

        Row("empty zip file", Image, "", new(EmptyFile, ""), false),
        Row("no zip", Image, "hello", new(InvalidZip, ""), false),
        Row("zip cut off", Image, Good()[..^30], new(InvalidZip, ""), false),
        Row("zip without entries", Image, TestZip.Of(), new(NoRows, ""), false),
        Row("image in no folder", Image, Good(("loose.png", White)), new(NoLabelFolder, "", Entry: "loose.png"), true),
        Row("image damaged", Image, Good(("a/bad.png", Red[..^30])), new(DamagedImage, "", Entry: "a/bad.png"), true),
        Row("no image", Image, Good(("a/notes.txt", "hello"u8.ToArray())), new(NotAnImage, "", Entry: "a/notes.txt"), true),
        Row("empty image", Image, Good(("a/none.png", [])), new(EmptyFile, "", Entry: "a/none.png"), true),
        Row("drawing", Image, Good(("a/x.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"u8.ToArray())), new(UnsupportedImage, "", Entry: "a/x.svg"), true),
        Row("too many pixels", Image, Good(("a/huge.png", TestImages.PngOf(20_000, 20_000, 3, 8, [1, 2]))), new(ImageTooLarge, "", Entry: "a/huge.png"), true),
        Row("path out", Image, Good(("../../etc/x.png", White)), new(UnsafePath, "", Entry: "../../etc/x.png"), true),
        Row("path out by backslash", Image, Good(("a\\..\\..\\x.png", White)), new(UnsafePath, "", Entry: "a\\..\\..\\x.png"), true),
        Row("rooted path", Image, Good(("/a/x.png", White)), new(UnsafePath, "", Entry: "/a/x.png"), true),
        Row("drive", Image, Good(("C:/a/x.png", White)), new(UnsafePath, "", Entry: "C:/a/x.png"), true),
        Row("zip in zip", Image, Good(("a/more.zip", Good())), new(NestedArchive, "", Entry: "a/more.zip"), true),
        Row("zip in zip by another name", Image, Good(("a/more.png", Good())), new(NestedArchive, "", Entry: "a/more.png"), true),
        Row("same name twice", Image, Good(("a/1.png", White)), new(DuplicateEntry, "", Entry: "a/1.png"), true),
        Row("encrypted", Image, TestZip.WithField(Good(("a/x.png", White)), "a/x.png", 8, 1, 0), new(EncryptedEntry, "", Entry: "a/x.png"), true),
        Row("symbolic link", Image, TestZip.WithField(Good(("a/x.png", White)), "a/x.png", 38, 0, 0, 0xFF, 0xA1), new(SymbolicLink, "", Entry: "a/x.png"), true),
        Row("wrong bytes", Image, TestZip.WithDamage(Good(("a/x.png", White)), "a/x.png"), new(DamagedEntry, "", Entry: "a/x.png"), true),
        Row("other packing", Image, TestZip.WithField(Good(("a/x.png", White)), "a/x.png", 10, 12, 0), new(DamagedEntry, "", Entry: "a/x.png"), true),
        Row("size lies low", Image, TestZip.WithField(Good(("a/x.png", White)), "a/x.png", 24, 9, 0, 0, 0), new(DamagedEntry, "", Entry: "a/x.png"), true),
        Row("size lies high", Image, TestZip.WithField(Good(("a/x.png", White)), "a/x.png", 24, 0, 16, 0, 0), new(DamagedEntry, "", Entry: "a/x.png"), true),
        Row("entry too large", Image, Good(("a/x.png", new byte[4 << 20])), new(EntryTooLarge, "", Entry: "a/x.png"), true),
        Row("zip bomb", Image, Good(("a/x.png", new byte[2 << 20])), new(CompressionRatio, "", Entry: "a/x.png"), true),
        Row("zip too large", Image, Good(("a/x.png", new byte[2900 << 10]), ("a/y.png", new byte[2900 << 10])), new(ArchiveTooLarge, ""), false),
        Row("too many entries", Image, Good([.. Enumerable.Range(0, 8).Select(i => ($"a/x{i}.png", White))]), new(TooManyEntries, ""), false),
        Row("images of one label", Image, TestZip.Of(("a/1.png", Red), ("a/2.png", Green)), new(OneLabel, "", Entry: "a/1.png"), false),
        Row("label with one image", Image, Good(("c/1.png", White)), new(TooFewExamples, "", Entry: "c/1.png"), true),
    ];

    public static TheoryData<string> RefusedNames => [.. Refused.Select(row => row.Name)];

    [Theory]
    [MemberData(nameof(RefusedNames))]
    public void Bad_uploads_are_refused_with_code_and_place(string name)
    {
        var row = Refused.Single(row => row.Name == name);
        using var bench = new ImportBench();
        var file = bench.File("upload.dat", row.File);

        var outcome = bench.Run(row.Type, row.Settings, file);

        Assert.Null(outcome.Manifest);
        var first = outcome.Problems.Errors[0];
        Assert.Equal((row.Expected.Code, row.Expected.Line, row.Expected.Entry, row.Expected.Column), (first.Code, first.Line, first.Entry, first.Column));
        Assert.True(first.File == "upload.dat" || first.Code == TooManyLabels);
        Assert.EndsWith(".", first.Message);

        var lenient = bench.Run(row.Type, row.Settings with { SkipBad = true }, file);
        Assert.Equal(row.PartIsGood, lenient.Manifest is not null);
        if (lenient.Manifest is not { } manifest) return;

        using var pack = bench.Open();
        Assert.True(pack.Count >= 2);
        Assert.Equal(pack.Count, manifest.Statistics.Samples);
        Assert.Equal(1, manifest.Skipped);
        Assert.Contains(manifest.Warnings, problem => problem.Code == row.Expected.Code);
        if (manifest.Labels.Count > 0) Assert.All(pack.Records(), item => Assert.InRange(item.Record.Label, 0, manifest.Labels.Count - 1));
    }

    /// <summary>Uploads that are usable and worth a word.</summary>
    private static readonly (string Name, string Type, byte[] File, ImportSettings Settings, ImportProblem Expected, bool _)[] Warned =
    [
        Row("Western encoding", Table, [.. "a,b\n1,caf"u8, 0xE9, .. "\n2,x\n"u8], new(EncodingGuessed, ""), true),
        Row("bad bytes in marked UTF-8", Table, [0xEF, 0xBB, 0xBF, .. "a,b\n1,x\n2,caf"u8, 0xE9, .. "\n3,y\n"u8], new(UnreadableCharacters, "", Line: 3), true),
        Row("column without name", Table, "a,,c\n1,2,3\n4,5,6\n", new(HeaderEmptyName, "", Line: 1, Column: "column_2"), true),
        Row("column twice", Table, "a,b,a\nx,2,3\ny,5,6\n", new(HeaderDuplicateName, "", Line: 1, Column: "a"), true),
        Row("empty column", Table, "a,b\n1,\n2,NA\n", new(EmptyColumn, "", Column: "b"), true),
        Row("doubtful dates", Table, "a,b\n01/02/2024,x\n03/04/2024,y\n", new(AmbiguousDate, "", Column: "a"), true),
        Row("same row twice", Table, "a,b\n1,x\n2,y\n1,x\n3,z\n", new(DuplicateSample, "", Line: 4), true),
        Row("same text, other label", Texts, "text,label\nhello,a\nhi,b\nhello,b\nho,a\nyo,b\n", new(ConflictingLabels, "", Line: 4), true),
        Row("lying extension", Image, Good(("a/x.jpg", White)), new(MisleadingExtension, "", Entry: "a/x.jpg"), true),
        Row("notes beside the folders", Image, Good(("README.txt", "hello"u8.ToArray())), new(NotAnImage, "", Entry: "README.txt"), true),
        Row("same image twice", Image, Good(("b/again.png", Red)), new(ConflictingLabels, "", Entry: "b/again.png"), true),
    ];

    public static TheoryData<string> WarnedNames => [.. Warned.Select(row => row.Name)];

    [Theory]
    [MemberData(nameof(WarnedNames))]
    public void Doubtful_uploads_are_taken_with_a_warning(string name)
    {
        var row = Warned.Single(row => row.Name == name);
        using var bench = new ImportBench();

        var outcome = bench.Run(row.Type, row.Settings, bench.File("upload.dat", row.File));

        Assert.Empty(outcome.Problems.Errors);
        var warning = outcome.Manifest!.Warnings[0];
        Assert.Equal((row.Expected.Code, row.Expected.Line, row.Expected.Entry, row.Expected.Column), (warning.Code, warning.Line, warning.Entry, warning.Column));
        Assert.Equal("upload.dat", warning.File);
    }

    [Fact]
    public void Problems_are_listed_up_to_the_limit_and_all_are_counted()
    {
        using var bench = new ImportBench();
        var file = bench.File("rows.csv", "a,b\n" + string.Concat(Enumerable.Range(0, 40).Select(i => i % 2 == 0 ? "1,2\n" : "3\n")));

        var problems = bench.Run(Table, new ImportSettings { Limits = Small }, file).Problems;

        Assert.Equal((5, 20L, 20L), (problems.Errors.Count, problems.ErrorCount, problems.BadSamples));
        Assert.Equal([3L, 5, 7, 9, 11], problems.Errors.Select(problem => problem.Line!.Value));
    }

    [Fact]
    public void Files_with_other_columns_are_refused()
    {
        using var bench = new ImportBench();

        var problems = bench.Run(Table, new ImportSettings(), bench.File("a.csv", "a,b\n1,x\n2,y\n", "train"), bench.File("b.csv", "b,c\nx,1\ny,2\n", "test")).Problems;

        var problem = Assert.Single(problems.Errors);
        Assert.Equal((HeaderMismatch, "b.csv"), (problem.Code, problem.File));
        Assert.Contains("lacks 'a' and has also 'c'", problem.Message);
    }

    [Fact]
    public void Any_damage_to_a_zip_file_ends_in_problems_and_nothing_else()
    {
        const int Seed = 60606;
        var random = new Random(Seed);
        var original = Good(("a/x.jpg", TestImages.Jpeg), ("b/y.gif", TestImages.MovingGif));
        using var bench = new ImportBench();
        int taken = 0, refused = 0;
        for (int round = 0; round < 400; round++)
        {
            var bytes = original.ToArray();
            for (int change = random.Next(1, 8); change > 0; change--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (random.Next(4) == 0) bytes = bytes[..random.Next(bytes.Length)];

            var outcome = bench.Run(Image, new ImportSettings { Limits = Small, SkipBad = round % 2 == 0 }, bench.File($"{round}.zip", bytes));
            if (outcome.Manifest is null)
            {
                Assert.True(outcome.Problems.ErrorCount > 0, $"seed {Seed}, round {round}");
                refused++;
            }
            else
            {
                taken++;
            }
        }

        Assert.True(taken > 0 && refused > 0, $"seed {Seed}: {taken} taken, {refused} refused");
    }

    private static byte[] Good(params (string Name, byte[] Bytes)[] more) =>
        TestZip.Of([("a/1.png", Red), ("a/2.png", Green), ("b/1.png", Blue), ("b/2.png", TestImages.SolidPng(9, 9, 9)), .. more]);

    private static (string, string, byte[], ImportSettings, ImportProblem, bool) Row(string name, string type, string file, ImportProblem expected, bool partIsGood, ImportSettings? settings = null) =>
        Row(name, type, Encoding.UTF8.GetBytes(file), expected, partIsGood, settings);

    private static (string, string, byte[], ImportSettings, ImportProblem, bool) Row(string name, string type, byte[] file, ImportProblem expected, bool partIsGood, ImportSettings? settings = null) =>
        (name, type, file, (settings ?? new ImportSettings()) with { Limits = Small }, expected, partIsGood);
}
