using System.Text;
using Atoll.Contracts;
using Atoll.Datasets;
using Xunit;
using static Atoll.Contracts.ImportProblemCodes;

namespace Atoll.Tests.Datasets;

/// <summary>Texts with marked entities: every way to write them means the same, and what is wrong with them is told with its place.</summary>
public sealed class EntityUploadTests
{
    private const string Good = "Anna\tB-PER\nlives\tO\n\nRome\tB-LOC\nis\tO\nold\tO\n";
    private const string GoodLines = "{\"text\":\"in Rome\",\"entities\":[{\"start\":3,\"end\":7,\"label\":\"LOC\"}]}\n{\"text\":\"no\",\"entities\":[]}\n";

    private static readonly ImportLimits Small = new() { ProblemsMax = 5, LabelsMax = 5, LabelCharsMax = 20, JsonLineBytesMax = 300, SamplesMax = 6 };

    /// <summary>File; expected code, line and member; and is a part of it usable?</summary>
    private static readonly (string Name, byte[] File, string Code, long? Line, string? Column, bool PartIsGood)[] Refused =
    [
        Row("empty", "", EmptyFile),
        Row("blank", "\n\n  \n", NoRows),
        Row("marks of documents only", "-DOCSTART- -X- O\n\n", NoRows),
        Row("zip", "PK\u0003\u0004rest", WrongFileType),
        Row("PDF", "%PDF-1.7 rest", WrongFileType),
        Row("web page", "<!DOCTYPE html><html>not found</html>", WrongFileType),
        Row("JSON array", "[{\"text\":\"a\"}]", WrongFileType),
        Row("binary", [1, 2, 3, 4, 5, 6, 7, 200, 201, 14, 15, 16, 17, 18], WrongFileType),
        Row("nothing marked", "in\tO\nRome\tO\n\nat\tO\n", NoEntities),
        Row("nothing marked in lines", "{\"text\":\"a\",\"entities\":[]}\n{\"text\":\"b\",\"entities\":[]}\n", NoEntities),
        Row("word without tag", Good + "\nBerlin\n", MissingTag, 8, partIsGood: true),
        Row("plain text", Good + "\nA text without any tags\n", MalformedTag, 8, partIsGood: true),
        Row("tag without word", Good + "\n\tB-LOC\n", MissingText, 8, partIsGood: true),
        Row("empty tag", Good + "\nBerlin\t\n", MalformedTag, 8, partIsGood: true),
        Row("label without B or I", Good + "\nin\tO\nBerlin\tLOC\n", MalformedTag, 9, partIsGood: true),
        Row("unknown letter", Good + "\nBerlin\tX-LOC\n", MalformedTag, 8, partIsGood: true),
        Row("tag without label", Good + "\nBerlin\tB-\n", MalformedTag, 8, partIsGood: true),
        Row("number as tag", Good + "\nBerlin\t3\n", MalformedTag, 8, partIsGood: true),
        Row("outside with a label", Good + "\nBerlin\tO-LOC\n", MalformedTag, 8, partIsGood: true),
        Row("small letters", Good + "\nBerlin\tb-loc\n", MalformedTag, 8, partIsGood: true),
        Row("label too long", Good + "\nBerlin\tB-A_LABEL_OF_MORE_THAN_TWENTY\n", LabelTooLong, 8, partIsGood: true),
        Row("NUL", Good + "\nBer\0lin\tB-LOC\n", NulCharacter, 8, partIsGood: true),
        Row("line too long", Good + $"\n{new string('x', 10_100)}\tO\n", RowTooLong, 8, partIsGood: true),
        Row("no empty lines", Good + "\n" + string.Concat(Enumerable.Repeat("Berlin\tB-LOC\n", 1_500)), TextTooLong, 8, partIsGood: true),
        Row("too many labels", Good + "\n" + string.Concat(Enumerable.Range(0, 6).Select(i => $"Berlin\tB-L{i}\n")), TooManyLabels),
        Row("too many samples", string.Concat(Enumerable.Range(0, 8).Select(i => $"Berlin{i}\tB-LOC\n\n")), TooManySamples, 13),
        Row("broken JSON", GoodLines + "{\"text\":\"a\"\n", InvalidJson, 3, partIsGood: true),
        Row("comma behind the object", GoodLines + "{\"text\":\"a\",\"entities\":[]},\n", InvalidJson, 3, partIsGood: true),
        Row("no object", GoodLines + "[1]\n", LineNotObject, 3, partIsGood: true),
        Row("JSON not UTF-8", [.. Encoding.UTF8.GetBytes(GoodLines), .. "{\"text\":\""u8, 0xE9, .. "\",\"entities\":[]}\n"u8], UnreadableCharacters, 3, null, true),
        Row("JSON line too long", GoodLines + $"{{\"text\":\"{new string('x', 400)}\",\"entities\":[]}}\n", RowTooLong, 3, partIsGood: true),
        Row("no text", GoodLines + "{\"entities\":[]}\n", MissingText, 3, partIsGood: true),
        Row("empty text", GoodLines + "{\"text\":\" \",\"entities\":[]}\n", MissingText, 3, partIsGood: true),
        Row("text no string", GoodLines + "{\"text\":5,\"entities\":[]}\n", NestedValue, 3, "text", true),
        Row("no entities", GoodLines + "{\"text\":\"a\"}\n", MissingTag, 3, "text", true),
        Row("entities no list", GoodLines + "{\"text\":\"a\",\"entities\":{}}\n", MalformedSpan, 3, "entities", true),
        Row("entity no object", GoodLines + "{\"text\":\"a\",\"entities\":[\"a\"]}\n", MalformedSpan, 3, "entities", true),
        Row("entity without start", GoodLines + "{\"text\":\"a\",\"entities\":[{\"end\":1,\"label\":\"L\"}]}\n", MalformedSpan, 3, "entities", true),
        Row("entity without end", GoodLines + "{\"text\":\"a\",\"entities\":[{\"start\":0,\"label\":\"L\"}]}\n", MalformedSpan, 3, "entities", true),
        Row("entity without label", GoodLines + "{\"text\":\"a\",\"entities\":[{\"start\":0,\"end\":1}]}\n", MalformedSpan, 3, "entities", true),
        Row("entity with empty label", GoodLines + "{\"text\":\"a\",\"entities\":[[0,1,\" \"]]}\n", MalformedSpan, 3, "entities", true),
        Row("list of two", GoodLines + "{\"text\":\"a\",\"entities\":[[0,1]]}\n", MalformedSpan, 3, "entities", true),
        Row("place as text", GoodLines + "{\"text\":\"a\",\"entities\":[[\"0\",1,\"L\"]]}\n", MalformedSpan, 3, "entities", true),
        Row("place with a fraction", GoodLines + "{\"text\":\"a\",\"entities\":[[0,1.5,\"L\"]]}\n", MalformedSpan, 3, "entities", true),
        Row("negative place", GoodLines + "{\"text\":\"a\",\"entities\":[[-1,1,\"L\"]]}\n", SpanOutside, 3, "entities", true),
        Row("beyond the end", GoodLines + "{\"text\":\"a\",\"entities\":[[0,2,\"L\"]]}\n", SpanOutside, 3, "entities", true),
        Row("UTF-16 places beyond the end", GoodLines + "{\"text\":\"\U0001F600 a\",\"entities\":[[3,4,\"L\"]]}\n", SpanOutside, 3, "entities", true),
        Row("nothing in it", GoodLines + "{\"text\":\"ab\",\"entities\":[[1,1,\"L\"]]}\n", MalformedSpan, 3, "entities", true),
        Row("turned round", GoodLines + "{\"text\":\"ab\",\"entities\":[[2,1,\"L\"]]}\n", MalformedSpan, 3, "entities", true),
        Row("overlap", GoodLines + "{\"text\":\"abc\",\"entities\":[[0,2,\"L\"],[1,3,\"M\"]]}\n", SpanOverlap, 3, "entities", true),
        Row("one in the other", GoodLines + "{\"text\":\"abc\",\"entities\":[[0,3,\"L\"],[1,2,\"M\"]]}\n", SpanOverlap, 3, "entities", true),
        Row("blank at the end", GoodLines + "{\"text\":\"in Rome now\",\"entities\":[[3,8,\"L\"]]}\n", MalformedSpan, 3, "entities", true),
        Row("says other than the text", GoodLines + "{\"text\":\"in Rome\",\"entities\":[{\"start\":2,\"end\":6,\"label\":\"L\",\"text\":\"Rome\"}]}\n", SpanText, 3, "entities", true),
        Row("label too long in lines", GoodLines + "{\"text\":\"a\",\"entities\":[[0,1,\"a label of more than twenty\"]]}\n", LabelTooLong, 3, "entities", true),
        Row("tokens without tags", GoodLines + "{\"tokens\":[\"a\"]}\n", MissingTag, 3, "tokens", true),
        Row("tokens no list", GoodLines + "{\"tokens\":\"a\",\"tags\":[\"O\"]}\n", NestedValue, 3, "tokens", true),
        Row("tags no list", GoodLines + "{\"tokens\":[\"a\"],\"tags\":\"O\"}\n", NestedValue, 3, "tags", true),
        Row("a tag too few", GoodLines + "{\"tokens\":[\"a\",\"b\"],\"tags\":[\"O\"]}\n", TagCount, 3, "tags", true),
        Row("token no string", GoodLines + "{\"tokens\":[1],\"tags\":[\"O\"]}\n", NestedValue, 3, "tokens", true),
        Row("empty token", GoodLines + "{\"tokens\":[\" \"],\"tags\":[\"O\"]}\n", MissingText, 3, "tokens", true),
        Row("tag a number", GoodLines + "{\"tokens\":[\"a\"],\"tags\":[0]}\n", MalformedTag, 3, "tags", true),
        Row("tag a list", GoodLines + "{\"tokens\":[\"a\"],\"tags\":[[]]}\n", MalformedTag, 3, "tags", true),
        Row("tag malformed", GoodLines + "{\"tokens\":[\"a\"],\"tags\":[\"PER\"]}\n", MalformedTag, 3, "tags", true),
    ];

    public static TheoryData<string> RefusedNames => [.. Refused.Select(row => row.Name)];

    [Theory]
    [MemberData(nameof(RefusedNames))]
    public void Bad_uploads_are_refused_with_code_and_place(string name)
    {
        var row = Refused.Single(row => row.Name == name);
        using var bench = new ImportBench();
        var file = bench.File("upload.dat", row.File);

        var outcome = bench.Run(DatasetTypes.Entities, new ImportSettings { Limits = Small }, file);

        Assert.Null(outcome.Manifest);
        var first = outcome.Problems.Errors[0];
        Assert.Equal((row.Code, row.Line, row.Column), (first.Code, first.Line, first.Column));
        Assert.True(first.File == "upload.dat" || first.Code == TooManyLabels);
        Assert.EndsWith(".", first.Message);

        var lenient = bench.Run(DatasetTypes.Entities, new ImportSettings { Limits = Small, SkipBad = true }, file);
        Assert.Equal(row.PartIsGood, lenient.Manifest is not null);
        if (lenient.Manifest is null) return;
        using var pack = bench.Open();
        Assert.Equal((2L, 1L), (pack.Count, lenient.Manifest.Skipped));
    }

    public static TheoryData<string> SameInEveryForm =>
    [
        "Anna\tB-PER\nBerg\tI-PER\nin\tO\nNew\tB-LOC\nYork\tI-LOC\nRome\tB-LOC\n\nno\tO\n",
        "Anna I-PER\nBerg I-PER\nin O\nNew I-LOC\nYork I-LOC\nRome B-LOC\n\nno O\n",
        "Anna NNP x B-PER\r\nBerg NNP x E-PER\r\nin IN x O\r\nNew NNP x B-LOC\r\nYork NNP x E-LOC\r\nRome NNP x S-LOC\r\n\r\n\r\nno DT x O",
        "-DOCSTART- -X- O O\n\n# id = 1\nAnna\tB_PER\nBerg\tL_PER\nin\tO\nNew\tB_LOC\nYork\tL_LOC\nRome\tU_LOC\n \nno\tO\n",
        "{\"tokens\":[\"Anna\",\"Berg\",\"in\",\"New\",\"York\",\"Rome\"],\"tags\":[\"B-PER\",\"I-PER\",\"O\",\"B-LOC\",\"I-LOC\",\"B-LOC\"]}\n{\"tokens\":[\"no\"],\"tags\":[\"O\"]}\n",
        "{\"text\":\"Anna Berg in New York Rome\",\"entities\":[{\"start\":22,\"end\":26,\"label\":\"LOC\"},{\"start\":0,\"end\":9,\"label\":\"PER\",\"text\":\"Anna Berg\"},[13,21,\"LOC\"]]}\n\n{\"text\":\"no\",\"entities\":[]}",
    ];

    [Theory]
    [MemberData(nameof(SameInEveryForm))]
    public void Every_way_to_mark_entities_means_the_same(string file)
    {
        using var bench = new ImportBench();

        var outcome = bench.Run(DatasetTypes.Entities, new ImportSettings { TestFraction = 0 }, bench.File("names.txt", file));

        Assert.Empty(outcome.Problems.Errors);
        using var pack = bench.Open();
        var samples = new ExampleReader(pack, outcome.Manifest!).ReadEntities(Split.Train).Samples;
        Assert.Equal(["Anna Berg in New York Rome", "no"], samples.Select(sample => sample.Text));
        Assert.Equal([new EntitySpan(0, 9, "PER"), new(13, 21, "LOC"), new(22, 26, "LOC")], samples[0].Entities);
        Assert.Empty(samples[1].Entities);
        Assert.Equal(["LOC", "PER"], outcome.Manifest!.Labels.Order());
        Assert.True(outcome.Manifest.Schema.MultiLabel);
    }

    [Fact]
    public void Tags_that_go_on_with_nothing_are_told_and_taken_as_beginnings()
    {
        using var bench = new ImportBench();

        var outcome = bench.Run(DatasetTypes.Entities, new ImportSettings(), bench.File("names.conll", "in\tO\nRome\tI-LOC\n\nAnna\tB-PER\nparis\tI-LOC\n"));

        Assert.Equal([1L, 4L], outcome.Manifest!.Warnings.Where(problem => problem.Code == TagOrder).Select(problem => problem.Line!.Value));
    }

    [Fact]
    public void Splits_of_the_uploader_are_kept_and_places_count_code_points()
    {
        using var bench = new ImportBench();
        const string Emoji = "\U0001F600\tO\nAnna\tB-PER\n\nBo\tB-PER\n";

        var outcome = bench.Run(
            DatasetTypes.Entities, new ImportSettings(), bench.File("a.conll", Emoji, SplitNames.Train), bench.File("b.conll", Good, SplitNames.Validation), bench.File("c.jsonl", GoodLines, SplitNames.Test));

        Assert.Empty(outcome.Problems.Errors);
        using var pack = bench.Open();
        var reader = new ExampleReader(pack, outcome.Manifest!);
        Assert.Equal([2, 2, 2], ((Split[])[Split.Train, Split.Validation, Split.Test]).Select(split => reader.ReadEntities(split).Samples.Count));
        Assert.Equal([new EntitySpan(2, 6, "PER")], reader.ReadEntities(Split.Train).Samples[0].Entities);
        Assert.Equal([new EntitySpan(3, 7, "LOC")], reader.ReadEntities(Split.Test).Samples[0].Entities);
    }

    [Fact]
    public void Any_damage_to_a_file_ends_in_problems_or_samples_and_nothing_else()
    {
        const int Seed = 70707;
        var random = new Random(Seed);
        using var bench = new ImportBench();
        int taken = 0, refused = 0;
        for (int round = 0; round < 300; round++)
        {
            var bytes = Encoding.UTF8.GetBytes(round % 2 == 0 ? Good : GoodLines);
            for (int change = random.Next(1, 6); change > 0; change--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);

            var outcome = bench.Run(DatasetTypes.Entities, new ImportSettings { Limits = Small }, bench.File("names", bytes));
            if (outcome.Manifest is null) refused++;
            else taken++;
            Assert.True(outcome.Manifest is not null || outcome.Problems.ErrorCount > 0, $"seed {Seed}, round {round}");
        }

        Assert.True(taken > 0 && refused > 0, $"seed {Seed}: {taken} taken, {refused} refused");
    }

    private static (string, byte[], string, long?, string?, bool) Row(string name, string file, string code, long? line = null, string? column = null, bool partIsGood = false) =>
        Row(name, Encoding.UTF8.GetBytes(file), code, line, column, partIsGood);

    private static (string, byte[], string, long?, string?, bool) Row(string name, byte[] file, string code, long? line = null, string? column = null, bool partIsGood = false) =>
        (name, file, code, line, column, partIsGood);
}
