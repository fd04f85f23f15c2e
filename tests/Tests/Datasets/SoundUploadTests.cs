using System.Text;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Tests.Platform.Audio;
using static Atoll.Contracts.ImportProblemCodes;

namespace Atoll.Tests.Datasets;

/// <summary>Zips of wav files: what is wrong with one is told with its place, and what is right becomes samples with the labels and splits that were given.</summary>
public sealed class SoundUploadTests
{
    private static readonly byte[] Low = TestWav.Tone(200), Mid = TestWav.Tone(500), High = TestWav.Tone(1_500), Top = TestWav.Tone(3_000);

    private static readonly ImportLimits Small = new()
    {
        ProblemsMax = 5, LabelsMax = 5, LabelCharsMax = 20, EntriesMax = 10, EntryBytesMax = 3 << 20, ArchiveBytesMax = 5 << 20, SamplesMax = 50, CompressionRatioMax = 50, AudioSecondsMax = 2,
    };

    /// <summary>File; expected code, entry and line; and is a part of it usable?</summary>
    private static readonly (string Name, byte[] File, string Code, string? Entry, long? Line, bool PartIsGood)[] Refused =
    [
        Row("nothing", [], EmptyFile),
        Row("no zip", "hello"u8.ToArray(), InvalidZip),
        Row("a wav file without a zip", Low, InvalidZip),
        Row("zip cut off", Good()[..^30], InvalidZip),
        Row("zip without entries", TestZip.Of(), NoRows),
        Row("sound in no folder", Good(("loose.wav", Top)), NoLabelFolder, "loose.wav", partIsGood: true),
        Row("one label", TestZip.Of(("a/1.wav", Low), ("a/2.wav", Mid)), OneLabel, "a/1.wav"),
        Row("label with one sound", Good(("c/1.wav", Top)), TooFewExamples, "c/1.wav", partIsGood: true),
        Row("label too long", Good(("a label of more than twenty/x.wav", Top)), LabelTooLong, "a label of more than twenty/x.wav", partIsGood: true),
        Row("path out", Good(("../x.wav", Top)), UnsafePath, "../x.wav", partIsGood: true),
        Row("zip in zip", Good(("a/more.zip", Good())), NestedArchive, "a/more.zip", partIsGood: true),
        Row("zip in zip by another name", Good(("a/more.wav", Good())), NestedArchive, "a/more.wav", partIsGood: true),
        Row("wrong bytes", TestZip.WithDamage(Good(("a/x.wav", Top)), "a/x.wav"), DamagedEntry, "a/x.wav", partIsGood: true),
        Row("zip bomb", Good(("a/x.wav", new byte[2 << 20])), CompressionRatio, "a/x.wav", partIsGood: true),

        Bad("empty file", [], EmptyFile),
        Bad("text", "hello"u8.ToArray(), NotAudio),
        Bad("picture of the RIFF family", [.. "RIFF"u8, 4, 0, 0, 0, .. "WEBPVP8 "u8], NotAudio),
        Bad("head cut off", Top[..11], DamagedAudio),
        Bad("MP3", [.. "ID3"u8, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0], UnsupportedAudio),
        Bad("MP3 without a tag", [0xFF, 0xFB, 0x90, 0x44, 0, 0, 0, 0, 0, 0, 0, 0], UnsupportedAudio),
        Bad("FLAC", [.. "fLaC"u8, 0, 0, 0, 34, 0, 0, 0, 0], UnsupportedAudio),
        Bad("Ogg", [.. "OggS"u8, 0, 0, 0, 0, 0, 0, 0, 0], UnsupportedAudio),
        Bad("AIFF", [.. "FORM"u8, 0, 0, 0, 4, .. "AIFF"u8], UnsupportedAudio),
        Bad("M4A", [0, 0, 0, 32, .. "ftypM4A "u8], UnsupportedAudio),
        Bad("big-endian", [.. "RIFX"u8, 4, 0, 0, 0, .. "WAVE"u8], UnsupportedAudio),
        Bad("64-bit lengths", [.. "RF64"u8, 255, 255, 255, 255, .. "WAVE"u8], UnsupportedAudio),
        Bad("no parts", TestWav.File(), DamagedAudio),
        Bad("no sound", TestWav.File(TestWav.Part("fmt ", TestWav.Head(8_000, 1, 16, TestWav.Pcm))), DamagedAudio),
        Bad("sound before its format", TestWav.File(TestWav.Part("data", new byte[8]), TestWav.Part("fmt ", TestWav.Head(8_000, 1, 16, TestWav.Pcm))), DamagedAudio),
        Bad("two formats", TestWav.File(TestWav.Part("fmt ", TestWav.Head(8_000, 1, 16, TestWav.Pcm)), TestWav.Part("fmt ", TestWav.Head(8_000, 1, 8, TestWav.Pcm)), TestWav.Part("data", new byte[8])), DamagedAudio),
        Bad("format too short", TestWav.File(TestWav.Part("fmt ", TestWav.Head(8_000, 1, 16, TestWav.Pcm)[..14]), TestWav.Part("data", new byte[8])), DamagedAudio),
        Bad("extensible format too short", TestWav.File(TestWav.Part("fmt ", TestWav.Head(8_000, 1, 16, TestWav.Extensible)[..18]), TestWav.Part("data", new byte[8])), DamagedAudio),
        Bad("part longer than the file", TestWav.File(TestWav.Part("LIST", new byte[8], 5_000)), DamagedAudio),
        Bad("empty sound", WithHead(TestWav.Head(8_000, 1, 16, TestWav.Pcm), []), EmptyFile),
        Bad("sound cut off", Top[..^10], DamagedAudio),
        Bad("half a sample", WithHead(TestWav.Head(8_000, 1, 16, TestWav.Pcm), new byte[7]), DamagedAudio),
        Bad("half a frame", WithHead(TestWav.Head(8_000, 2, 16, TestWav.Pcm), new byte[6]), DamagedAudio),
        Bad("A-law", WithHead(TestWav.Head(8_000, 1, 8, 6), new byte[8]), UnsupportedAudio),
        Bad("ADPCM", WithHead(TestWav.Head(8_000, 1, 4, 0x11, block: 256), new byte[256]), UnsupportedAudio),
        Bad("MP3 in a wav file", WithHead(TestWav.Head(8_000, 1, 16, 0x55), new byte[8]), UnsupportedAudio),
        Bad("A-law in an extensible head", WithHead(TestWav.Head(8_000, 1, 8, TestWav.Extensible, subformat: 6), new byte[8]), UnsupportedAudio),
        Bad("no channels", WithHead(TestWav.Head(8_000, 0, 16, TestWav.Pcm), new byte[8]), DamagedAudio),
        Bad("nine channels", WithHead(TestWav.Head(8_000, 9, 16, TestWav.Pcm), new byte[18]), UnsupportedAudio),
        Bad("rate of nothing", WithHead(TestWav.Head(0, 1, 16, TestWav.Pcm), new byte[8]), UnsupportedAudio),
        Bad("rate too low", WithHead(TestWav.Head(3_999, 1, 16, TestWav.Pcm), new byte[8]), UnsupportedAudio),
        Bad("rate too high", WithHead(TestWav.Head(384_000, 1, 16, TestWav.Pcm), new byte[8]), UnsupportedAudio),
        Bad("twelve bits", WithHead(TestWav.Head(8_000, 1, 12, TestWav.Pcm), new byte[8]), UnsupportedAudio),
        Bad("floats of 64 bits", WithHead(TestWav.Head(8_000, 1, 64, TestWav.Float), new byte[8]), UnsupportedAudio),
        Bad("head that contradicts itself", WithHead(TestWav.Head(8_000, 2, 16, TestWav.Pcm, block: 2), new byte[8]), DamagedAudio),
        Bad("not a number", TestWav.Of(8_000, 1, 32, TestWav.Float, 0, 0.5f, float.NaN), DamagedAudio),
        Bad("infinite", TestWav.Of(8_000, 1, 32, TestWav.Float, 0, float.NegativeInfinity), DamagedAudio),
        Bad("far too loud", TestWav.Of(8_000, 1, 32, TestWav.Float, 0, 1e9f), DamagedAudio),
        Bad("too long", TestWav.Tone(440, seconds: 2.5), AudioTooLong),

        Listed("empty list", "", NoRows, null),
        Listed("list without names", "label\na\n", LabelColumnNotFound, 1),
        Listed("list without labels", "file,who\n1.wav,a\n", LabelColumnNotFound, 1),
        Listed("file that is not there", "file,label\n1.wav,a\n2.wav,a\n3.wav,b\n4.wav,b\n5.wav,b\n", ListedFileMissing, 6, true),
        Listed("file listed twice", "file,label\n1.wav,a\n2.wav,a\n3.wav,b\n4.wav,b\n1.wav,b\n", DuplicateEntry, 6, true),
        Listed("no label in the list", "file,label\n1.wav,a\n2.wav,a\n3.wav,b\n4.wav,b\n9.wav,\n", MissingLabel, 6, true),
        Listed("no name in the list", "file,label\n1.wav,a\n2.wav,a\n3.wav,b\n4.wav,b\n,b\n", ListedFileMissing, 6, true),
        Listed("row too long", "file,label\n1.wav,a\n2.wav,a\n3.wav,b\n4.wav,b\n9.wav,b,c\n", RowLength, 6, true),
        Listed("unknown split", "file,label,split\n1.wav,a,train\n2.wav,a,train\n3.wav,b,train\n4.wav,b,test\n9.wav,b,later\n", UnknownSplit, 6, true),
        Listed("open quote", "file,label\n1.wav,a\n2.wav,a\n3.wav,b\n4.wav,b\n\"9.wav,b\n", UnterminatedQuote, 6, true),
    ];

    public static TheoryData<string> RefusedNames => [.. Refused.Select(row => row.Name)];

    [Theory]
    [MemberData(nameof(RefusedNames))]
    public void Bad_uploads_are_refused_with_code_and_place(string name)
    {
        var row = Refused.Single(row => row.Name == name);
        using var bench = new ImportBench();
        var file = bench.File("upload.dat", row.File);

        var outcome = bench.Run(DatasetTypes.Audio, new ImportSettings { Limits = Small }, file);

        Assert.Null(outcome.Manifest);
        var first = outcome.Problems.Errors[0];
        Assert.Equal((row.Code, row.Entry, row.Line), (first.Code, first.Entry, first.Line));
        Assert.Equal("upload.dat", first.File);
        Assert.EndsWith(".", first.Message);

        var lenient = bench.Run(DatasetTypes.Audio, new ImportSettings { Limits = Small, SkipBad = true }, file);
        Assert.Equal(row.PartIsGood, lenient.Manifest is not null);
        if (lenient.Manifest is null) return;
        using var pack = bench.Open();
        Assert.Equal((4L, 1L), (pack.Count, lenient.Manifest.Skipped));
    }

    [Fact]
    public void Folders_and_a_list_mean_the_same()
    {
        using var bench = new ImportBench();
        var folders = bench.Run(DatasetTypes.Audio, new ImportSettings { TestFraction = 0 }, bench.File("a.zip", Good()));
        byte[][] samples;
        using (var pack = bench.Open()) samples = [.. Payloads(pack)];

        var listed = bench.Run(DatasetTypes.Audio, new ImportSettings { TestFraction = 0 }, bench.File("b.zip", TestZip.Of(
            ("all/labels.csv", "Path;Class\nrec/1.wav;a\n./rec/2.wav;a\n3.wav;b\nrec\\4.wav;b\n"u8.ToArray()),
            ("all/rec/1.wav", Low), ("all/rec/2.wav", Mid), ("all/rec/3.wav", High), ("all/rec/4.wav", Top), ("all/rec/more.wav", TestWav.Tone(800)), ("all/README.md", "hello"u8.ToArray()))));

        Assert.Empty(folders.Problems.Errors);
        Assert.Empty(listed.Problems.Errors);
        var warning = Assert.Single(listed.Manifest!.Warnings, problem => problem.Code is not EmptySplit);
        Assert.Equal((FileNotListed, "all/rec/more.wav"), (warning.Code, warning.Entry));
        Assert.Equal(folders.Manifest!.Labels, listed.Manifest.Labels);
        using var again = bench.Open();
        Assert.Equal(samples, Payloads(again));
        Assert.Equal((0.1, 0.1, "8000", 4L), (listed.Manifest.Statistics.AudioSeconds!.Min, listed.Manifest.Statistics.AudioSeconds.Max, listed.Manifest.Statistics.AudioRates[0].Value, listed.Manifest.Statistics.AudioRates[0].Count));
    }

    [Fact]
    public void Splits_are_those_of_the_uploader()
    {
        using var bench = new ImportBench();
        void Check(params SourceFile[] files)
        {
            var outcome = bench.Run(DatasetTypes.Audio, new ImportSettings(), files);
            Assert.Empty(outcome.Problems.Errors);
            using var pack = bench.Open();
            var reader = new ExampleReader(pack, outcome.Manifest!);
            Assert.Equal([2, 1, 1], ((Split[])[Split.Train, Split.Validation, Split.Test]).Select(split => reader.ReadSounds(split).Count));
            Assert.Equal(TestWav.Sine(3_000, 8_000, 0.1).Length, reader.ReadSounds(Split.Test).Decode(0).Samples.Length);
            Assert.Equal("b", outcome.Manifest!.Labels[reader.ReadSounds(Split.Test).Labels[0][0]]);
        }

        Check(bench.File("a.zip", TestZip.Of(("train/a/1.wav", Low), ("train/b/2.wav", High), ("val/a/3.wav", Mid), ("test/b/4.wav", Top))));
        Check(bench.File("b.zip", TestZip.Of(
            ("labels.csv", "file,label,split\n1.wav,a,train\n2.wav,b,Train\n3.wav,a,validation\n4.wav,b,test\n"u8.ToArray()), ("1.wav", Low), ("2.wav", High), ("3.wav", Mid), ("4.wav", Top))));
        Check(
            bench.File("c.zip", TestZip.Of(("a/1.wav", Low), ("b/2.wav", High)), SplitNames.Train), bench.File("d.zip", TestZip.Of(("a/3.wav", Mid)), SplitNames.Validation),
            bench.File("e.zip", TestZip.Of(("b/4.wav", Top)), SplitNames.Test));
    }

    [Fact]
    public void Doubtful_sounds_are_taken_with_a_warning()
    {
        using var bench = new ImportBench();

        var outcome = bench.Run(DatasetTypes.Audio, new ImportSettings(), bench.File("a.zip", Good(("a/silent.wav", TestWav.Tone(100, loudness: 0)), ("b/x.mp3", TestWav.Tone(900)), ("notes.txt", "hello"u8.ToArray()))));

        Assert.Empty(outcome.Problems.Errors);
        Assert.Equal([(SilentAudio, "a/silent.wav"), (MisleadingExtension, "b/x.mp3"), (NotAudio, "notes.txt")], outcome.Manifest!.Warnings.Select(problem => (problem.Code, problem.Entry!)));
    }

    private static IEnumerable<byte[]> Payloads(SamplePackReader pack)
    {
        var buffer = new byte[4096];
        foreach (var (_, record) in pack.Records()) yield return pack.Payload(record, ref buffer).ToArray();
    }

    private static byte[] Good(params (string Name, byte[] Bytes)[] more) => TestZip.Of([("a/1.wav", Low), ("a/2.wav", Mid), ("b/3.wav", High), ("b/4.wav", Top), .. more]);

    private static byte[] WithHead(byte[] head, byte[] data) => TestWav.File(TestWav.Part("fmt ", head), TestWav.Part("data", data));

    private static (string, byte[], string, string?, long?, bool) Row(string name, byte[] file, string code, string? entry = null, bool partIsGood = false) => (name, file, code, entry, null, partIsGood);

    private static (string, byte[], string, string?, long?, bool) Bad(string name, byte[] wav, string code) => Row(name, Good(("a/x.wav", wav)), code, "a/x.wav", partIsGood: true);

    private static (string, byte[], string, string?, long?, bool) Listed(string name, string list, string code, long? line, bool partIsGood = false) => (
        name, TestZip.Of(("labels.csv", Encoding.UTF8.GetBytes(list)), ("1.wav", Low), ("2.wav", Mid), ("3.wav", High), ("4.wav", Top)), code, "labels.csv", line, partIsGood);
}
