using System.Globalization;
using System.Text;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Tests.Platform.Imaging;

namespace Atoll.Tests.Datasets;

public sealed class SamplePackTests
{
    [Fact]
    public void A_table_comes_back_as_it_was_and_in_the_trainers_types()
    {
        using var bench = new ImportBench();
        var file = bench.File("people.csv", "name;height;joined;vip;note\n\"Ann \"\"A\"\"\";1,75;31.12.2020;yes;\"a;b\nc\"\nBen;NA;1.2.2021;maybe;\nCid;1,80;;yes;x\nDan;1,9;3.4.2020;no;\nEve;NA;;no;y\n");

        var manifest = bench.Run(DatasetTypes.Tabular, new ImportSettings { Label = "vip", SkipBad = true, TestFraction = 0, Limits = new ImportLimits() }, file).Manifest!;

        // 'maybe' has a single example.
        Assert.Equal(1, manifest.Skipped);
        Assert.Equal(["category", "number", "date", "category", "category"], manifest.Schema.Columns.Select(column => column.Type));
        using var pack = bench.Open();
        Assert.Equal(4, pack.Count);
        var first = new TabularFormat().Describe(Blank, pack.Payload(pack.Record(0)), manifest.Schema);
        Assert.Equal(["Ann \"A\"", "1,75", "31.12.2020", "yes", "a;b\nc"], first.Values!.Values);
        Assert.Equal(2, pack.Record(0).Line);
        Assert.Equal(5, pack.Record(1).Line);

        var table = new ExampleReader(pack, manifest).ReadTabular(Split.Train, "vip", targetIsClass: true);
        Assert.Equal((4, "vip"), (table.RowCount, table.Target));
        Assert.Equal([1.75f, 1.8f, 1.9f, float.NaN], table.Columns[1].Numbers!);
        Assert.Equal<IEnumerable<string?>>(["31.12.2020", null, "3.4.2020", null], table.Columns[2].Texts!);
    }

    [Fact]
    public void Rows_without_target_are_left_out_and_samples_are_chosen_by_seed()
    {
        using var bench = new ImportBench();
        var manifest = bench.Run(DatasetTypes.Tabular, new ImportSettings(), bench.File("n.csv", "x,y\n" + string.Concat(Enumerable.Range(0, 500).Select(i => $"{i},{(i % 10 == 0 ? "" : $"{i * 0.5:0.0}")}\n")))).Manifest!;
        using var pack = bench.Open();
        var reader = new ExampleReader(pack, manifest);

        var all = reader.ReadTabular(Split.Train, "y", targetIsClass: false);
        Assert.All(all.Columns[1].Numbers!, value => Assert.False(float.IsNaN(value)));

        var some = reader.ReadTabular(Split.Train, "y", false, rowsMax: 50, seed: 3);
        Assert.Equal(some.Columns[1].Numbers!, reader.ReadTabular(Split.Train, "y", false, rowsMax: 50, seed: 3).Columns[1].Numbers!);
        Assert.NotEqual(some.Columns[1].Numbers!, reader.ReadTabular(Split.Train, "y", false, rowsMax: 50, seed: 4).Columns[1].Numbers!);
        Assert.InRange(some.RowCount, 35, 50);
    }

    [Theory]
    [InlineData("a.csv", "text,labels\nhello,x;y\nho,y\nhi,x\n\"z, z\",x;z\nyo,z\n")]
    [InlineData("a.csv", "text,labels\nhello,x|y\nho,y\nhi,x\n\"z, z\",x|z\nyo,z\n")]
    [InlineData("a.jsonl", "{\"text\":\"hello\",\"labels\":[\"x\",\"y\"]}\n{\"text\":\"ho\",\"labels\":[\"y\"]}\n{\"text\":\"hi\",\"labels\":[\"x\"]}\n{\"text\":\"z, z\",\"labels\":[\"x\",\"z\"]}\n{\"text\":\"yo\",\"labels\":[\"z\"]}")]
    public void Texts_keep_several_labels(string name, string content)
    {
        using var bench = new ImportBench();
        var manifest = bench.Run(DatasetTypes.Text, new ImportSettings(), bench.File(name, content, "train")).Manifest!;

        Assert.True(manifest.Schema.MultiLabel);
        Assert.Equal(["x", "y", "z"], manifest.Labels);
        Assert.Equal([3L, 2, 2], manifest.Statistics.Labels.Select(label => label.Count));
        using var pack = bench.Open();
        var texts = new ExampleReader(pack, manifest).ReadTexts(Split.Train);
        Assert.Equal(["hello", "ho", "hi", "z, z", "yo"], texts.Texts);
        Assert.Equal([[0, 1], [1], [0], [0, 2], [2]], texts.Labels);
    }

    [Fact]
    public void A_label_that_contains_a_separator_stays_one_label()
    {
        using var bench = new ImportBench();
        var manifest = bench.Run(DatasetTypes.Text, new ImportSettings(), bench.File("a.csv", "text,label\na,\"fees, charges\"\nb,\"fees, charges\"\nc,card\nd,card\n")).Manifest!;

        Assert.False(manifest.Schema.MultiLabel);
        Assert.Equal(["fees, charges", "card"], manifest.Labels);
    }

    [Fact]
    public void Images_keep_their_bytes_names_and_folders()
    {
        using var bench = new ImportBench();
        var red = TestImages.SolidPng(250, 0, 0);
        var zip = TestZip.Of(
            ("pets/train/cat/1.png", red), ("pets/train/cat/2.jpg", TestImages.Jpeg), ("pets/train/dog/é.png", TestImages.SolidPng(0, 1, 0)), ("pets/train/dog/2.png", TestImages.SolidPng(0, 2, 0)),
            ("pets/test/cat/3.png", TestImages.SolidPng(0, 3, 0)), ("pets/test/dog/3.png", TestImages.SolidPng(0, 4, 0)), ("__MACOSX/pets/._x", [1]), ("pets/.DS_Store", [2]), ("pets/README.md", "x"u8.ToArray()));

        var manifest = bench.Run(DatasetTypes.Image, new ImportSettings(), bench.File("pets.zip", zip)).Manifest!;

        Assert.Equal(["cat", "dog"], manifest.Labels);
        Assert.Equal([new SplitCount("train", 4), new SplitCount("test", 2)], manifest.Statistics.Splits);
        Assert.Equal([new ValueCount("png", 5), new ValueCount("jpeg", 1)], manifest.Statistics.ImageFormats);
        using var pack = bench.Open();
        Assert.Equal(red, pack.Payload(pack.Record(0)));
        Assert.Equal("pets/train/dog/é.png", pack.EntryName(pack.Record(2)));
        var images = new ExampleReader(pack, manifest).ReadImages(Split.Train);
        Assert.Equal([[0], [0], [1], [1]], images.Labels);
        Assert.Equal((8, 8), (images.Decode(3).Width, images.Decode(3).Height));
        Assert.Equal([250, 0, 0], images.Decode(0).Pixels[..3]);
    }

    [Fact]
    public void Splits_depend_on_samples_and_seed_and_not_on_their_order()
    {
        var rows = Enumerable.Range(0, 1000).Select(i => $"text number {i},l{(i % 10 == 0 ? 0 : i % 3 + 1)}\n").ToList();
        rows.AddRange(rows.Take(20));
        var random = new Random(99);

        var first = SplitsOf(rows, seed: 7);
        var again = SplitsOf([.. rows.OrderBy(_ => random.Next())], seed: 7);
        var other = SplitsOf(rows, seed: 8);

        Assert.Equal(first.Order(), again.Order());
        Assert.NotEqual(first.Order(), other.Order());
    }

    [Fact]
    public void Splits_are_even_over_labels_and_equal_samples_stay_together()
    {
        using var bench = new ImportBench();
        var rows = string.Concat(Enumerable.Range(0, 1000).Select(i => $"text {i % 900},{(i % 900 % 20 == 0 ? "rare" : "often")}\n"));
        var manifest = bench.Run(DatasetTypes.Text, new ImportSettings(), bench.File("t.csv", "text,label\n" + rows)).Manifest!;

        var test = manifest.Statistics.Labels.ToDictionary(label => label.Label, label => (double)label.Splits["test"] / label.Count);
        Assert.InRange(test["rare"], 0.15, 0.25);
        Assert.InRange(test["often"], 0.19, 0.215);
        Assert.Equal(100, manifest.Statistics.Duplicates);
        var repeated = manifest.Warnings.Where(warning => warning.Code == ImportProblemCodes.DuplicateSample).ToList();
        Assert.Equal((11, "90 more samples repeat others."), (repeated.Count, repeated[^1].Message));
        using var pack = bench.Open();
        Assert.All(pack.Records().GroupBy(item => item.Record.Hash), group => Assert.Single(group.Select(item => item.Record.Split).Distinct()));
    }

    [Fact]
    public void Given_splits_are_kept_and_a_leak_between_them_is_told()
    {
        using var bench = new ImportBench();
        var manifest = bench.Run(DatasetTypes.Text, new ImportSettings(),
            bench.File("train.csv", "text,label\na,x\nb,y\nc,x\nd,y\n", "train"), bench.File("test.csv", "text,label\ne,x\nb,y\n", "test")).Manifest!;

        Assert.Equal([new SplitCount("train", 4), new SplitCount("test", 2)], manifest.Statistics.Splits);
        var warning = Assert.Single(manifest.Warnings);
        Assert.Equal((ImportProblemCodes.DuplicateSample, "test.csv", 3L), (warning.Code, warning.File, warning.Line!.Value));
        Assert.Contains("different splits", warning.Message);
    }

    [Fact]
    public void A_target_of_many_numbers_is_no_class()
    {
        using var bench = new ImportBench();
        var rows = string.Concat(Enumerable.Range(0, 300).Select(i => string.Create(CultureInfo.InvariantCulture, $"{i % 7},{i * 1.5}\n")));
        var manifest = bench.Run(DatasetTypes.Tabular, new ImportSettings { Label = "y" }, bench.File("r.csv", "x,y\n" + rows)).Manifest!;

        Assert.Empty(manifest.Labels);
        Assert.Equal(("y", 60L), (manifest.Schema.LabelColumn, manifest.Statistics.Splits.Single(split => split.Split == "test").Count));
    }

    [Fact]
    public void A_large_table_is_imported_in_little_memory()
    {
        using var bench = new ImportBench();
        var path = Path.Combine(Path.GetDirectoryName(bench.DataPath)!, "large.csv");
        using (var writer = new StreamWriter(path))
        {
            writer.WriteLine("id,amount,city,when,comment");
            for (int i = 0; i < 400_000; i++)
            {
                writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{i},{i * 7919 % 100_003 / 8.0},City {i % 300},2024-{(i % 12) + 1:00}-{(i % 28) + 1:00},\"row {i}, which says something of about a hundred characters so that the file becomes large enough\""));
            }
        }

        Assert.True(new FileInfo(path).Length > 50_000_000);
        long before = GC.GetTotalMemory(forceFullCollection: true), peak = 0;
        using (var data = File.Create(bench.DataPath))
        using (var index = File.Create(bench.IndexPath))
        {
            var settings = new ImportSettings { Limits = new ImportLimits { DuplicatesTracked = 50_000 } };
            var outcome = DatasetImport.Run(new TabularFormat(), [new SourceFile("large.csv", path)], settings, data, index, _ => peak = Math.Max(peak, GC.GetTotalMemory(forceFullCollection: true)), CancellationToken.None);
            Assert.Equal(400_000, outcome.Manifest!.Statistics.Samples);
            Assert.Equal(["id", "number", "category", "date", "text"], outcome.Manifest.Schema.Columns.Select(column => column.Type));
        }

        // The file as strings would be more than 100 MB.
        Assert.InRange(peak - before, 1, 30_000_000);
    }

    [Fact]
    public void A_damaged_index_is_not_read()
    {
        using var bench = new ImportBench();
        bench.Run(DatasetTypes.Text, new ImportSettings(), bench.File("t.csv", "text,label\na,x\nb,y\nc,x\nd,y\n"));
        File.WriteAllBytes(bench.IndexPath, File.ReadAllBytes(bench.IndexPath)[..^3]);

        Assert.Throws<InvalidDataException>(bench.Open);
    }

    private static SampleResponse Blank => new() { Id = 1, Split = "train", Source = new SampleSource("f", null, null), Bytes = 0 };

    private static List<string> SplitsOf(List<string> rows, int seed)
    {
        using var bench = new ImportBench();
        bench.Run(DatasetTypes.Text, new ImportSettings { Seed = seed }, bench.File("t.csv", "text,label\n" + string.Concat(rows)));
        using var pack = bench.Open();
        return [.. pack.Records().Select(item => $"{Encoding.UTF8.GetString(pack.Payload(item.Record))}:{item.Record.Split}")];
    }
}
